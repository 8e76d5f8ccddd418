"""IOCs that die or hang in the midst of a scan."""

from __future__ import annotations

import signal

import pytest

from tests.analysis.scan.conftest import CHANNELS, SLOW, THREE, Plant, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

FOUR = CHANNELS[:4]


def test_an_ioc_that_dies_and_returns(plant: Plant) -> None:
    before = plant.operating_point(THREE)
    plant.scan(*THREE, *SLOW)
    plant.wait_points(2)
    plant.kill("all")
    wait_until(lambda: plant.get("DET:SCAN:NOT_RESTORED") == 3, "all three are told", 90)
    plant.start("ioc", "all")
    plant.wait_state("IDLE")
    wait_until(lambda: plant.operating_point(THREE) == before, "everything is back, and this client connected again")


def test_a_site_that_is_killed_is_as_before_at_its_next_start(plant: Plant) -> None:
    """The modules keep what they were told last; only the simulators live on."""
    before = plant.operating_point(THREE)
    plant.scan(*THREE, *SLOW)
    plant.wait_points(2)
    plant.kill("all")
    plant.kill("scanner")
    plant.start("scanner")
    wait_until(lambda: plant.state() == "FAILED", "tells that the IOC is not there", 40)
    plant.start("ioc", "all")
    plant.wait_state("IDLE")
    wait_until(lambda: plant.operating_point(THREE) == before, "everything is back, and this client connected again")


def test_an_ioc_that_hangs_and_goes_on(plant: Plant) -> None:
    """What was on its way to it then comes after all, and must not be the last word."""
    before = plant.operating_point(THREE)
    plant.scan(*THREE, *SLOW)
    plant.wait_points(2)
    plant.processes["all"].send_signal(signal.SIGSTOP)
    try:
        wait_until(lambda: plant.get("DET:SCAN:NOT_RESTORED") == 3, "all three are told", 120, lambda: plant.text("MESSAGE"))
    finally:
        plant.processes["all"].send_signal(signal.SIGCONT)
    plant.wait_state("IDLE", timeout=90)
    wait_until(lambda: plant.operating_point(THREE) == before, "everything is back")


@pytest.mark.parametrize("moment", ["measurement", "ramp", "restoration"])
def test_an_ioc_that_is_killed_and_back_at_once_leaves_no_channel_at_a_voltage_of_the_scan(plant: Plant, moment: str) -> None:
    """It comes back with an earlier setpoint of the scan, as its autosave has it: that is no other client's."""
    plant.working(FOUR)
    if moment == "ramp":
        plant.put({f"{channel}:{ramp}": 2.0 for channel in FOUR for ramp in ("RAMP_UP", "RAMP_DOWN")})
    before = plant.operating_point(FOUR)
    plant.scan(*FOUR, *SLOW)
    if moment == "ramp":
        wait_until(lambda: is_half_way(plant, before), "ramps to the first point")
    else:
        plant.wait_points(6)
    if moment == "restoration":
        plant.command("abort")
        plant.wait_state("RESTORING", "IDLE", "FAILED")
    plant.kill("all")
    plant.start("ioc", "all")
    plant.wait_state("IDLE", "FAILED", timeout=120)  # failed if it left no curve
    wait_until(lambda: plant.operating_point(FOUR) == before, "everything is back", 60, lambda: plant.text("MESSAGE"))
    wait_until(lambda: plant.get("DET:SCAN:NOT_RESTORED") == 0, "and counted so")
    plant.put({f"{channel}:{ramp}": 200.0 for channel in FOUR for ramp in ("RAMP_UP", "RAMP_DOWN")})


def is_half_way(plant: Plant, before: dict[str, float]) -> bool:
    """Whether every channel is on its way and at least 1 V from where it was."""
    moved_V = [before[f"{channel}:BIAS_RBV"] - plant.get(f"{channel}:BIAS_RBV") for channel in FOUR]
    return min(moved_V) > 1 and all(plant.get(f"{channel}:STATE") == 5 for channel in FOUR)


@pytest.mark.parametrize("killed", [("all",), ("all", "scanner")])
def test_channels_that_were_off_are_off_again_by_the_word_of_the_device(plant: Plant, killed: tuple[str, ...]) -> None:
    plant.put({f"{channel}:ENABLE": 0 for channel in FOUR})
    for channel in FOUR:
        wait_until(lambda: plant.get(f"{channel}:STATE") == 1, "off")  # noqa: B023 - called before the next
    before = plant.operating_point(FOUR)
    plant.scan(*FOUR, *SLOW)
    plant.wait_points(2)
    plant.command("abort")
    plant.wait_state("RESTORING", "IDLE", "FAILED")
    for name in killed:
        plant.kill(name)
    plant.start("ioc", "all")
    if "scanner" in killed:
        plant.start("scanner")
    plant.wait_state("IDLE", "FAILED", timeout=120)
    wait_until(lambda: [plant.get(f"{channel}:ENABLE_RBV") for channel in FOUR] == [0] * 4, "off", 60)
    wait_until(lambda: setpoints(plant.operating_point(FOUR)) == setpoints(before), "as before", 60)


def setpoints(point: dict[str, float]) -> dict[str, float]:
    """Without the readbacks of outputs that are off, which the device may round."""
    return {name: value for name, value in point.items() if not name.endswith("BIAS_RBV")}
