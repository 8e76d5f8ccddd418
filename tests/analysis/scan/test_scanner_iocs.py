"""IOCs that die or hang in the midst of a scan."""

from __future__ import annotations

import signal

import pytest

from tests.analysis.scan.conftest import SLOW, THREE, Plant, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


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
