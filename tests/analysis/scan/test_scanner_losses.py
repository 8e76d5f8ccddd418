"""Wires, IOCs, scanners and sites that are lost in the midst of a scan."""

from __future__ import annotations

import signal

import pytest

from tests.analysis.scan.conftest import (
    SLOW,
    THREE,
    WORKING_V,
    Plant,
    operating_point_file,
    wait_until,
)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def test_a_lost_wire_ends_the_scan_and_is_made_good_when_it_is_back(plant: Plant) -> None:
    before = plant.operating_point(THREE)
    plant.scan(*THREE, *SLOW)
    plant.wait_points(2)
    plant.fault("HV01", "unplug", "1")
    try:
        wait_until(lambda: plant.get("DET:SCAN:NOT_RESTORED") == 3, "all three are told", 60)
        wait_until(lambda: "is disconnected" in plant.text("MESSAGE"), "why")
    finally:
        plant.fault("HV01", "unplug", "0")
    plant.wait_state("IDLE")
    assert plant.operating_point(THREE) == before


def test_a_scanner_that_is_killed_puts_back_at_its_next_start(plant: Plant) -> None:
    before = plant.operating_point(THREE)
    plant.scan(*THREE, *SLOW)
    plant.wait_points(2)
    plant.kill("scanner")
    assert plant.get(f"{THREE[0]}:BIAS") < WORKING_V[THREE[0]] - 1
    plant.start("scanner")
    plant.wait_state("IDLE")
    assert plant.operating_point(THREE) == before
    assert not operating_point_file(plant).exists()


def test_a_scanner_that_is_told_to_end_puts_back_first(plant: Plant) -> None:
    before = plant.operating_point(THREE)
    plant.scan(*THREE, *SLOW)
    plant.wait_points(2)
    plant.kill("scanner", signal.SIGTERM)
    assert plant.operating_point(THREE) == before
    assert not operating_point_file(plant).exists()
    plant.start("scanner")


def test_a_second_scanner_is_refused_and_harms_no_scan(plant: Plant) -> None:
    plant.scan(*THREE, *SLOW)
    plant.wait_points(1)
    done = plant.run("scanner", check=False)
    point = plant.get("DET:SCAN:POINT")
    plant.wait_points(point + 1)
    plant.command("abort")
    plant.wait_state("IDLE")
    assert (done.returncode, done.stderr) == (
        1, f"Error: the scanner of this site runs already, as process {plant.processes['scanner'].pid}\n"
    )  # fmt: skip


def test_a_disk_that_does_not_keep_the_operating_point_changes_nothing(plant: Plant) -> None:
    before = plant.operating_point(THREE)
    folder = plant.folder / "var" / "scan"
    aside = folder.rename(folder.with_name("scan.aside"))
    folder.write_text("in the way")
    try:
        done = plant.run("scan", "iv", *THREE, "--step", "1", check=False)
        plant.wait_state("FAILED")
        assert "the operating point cannot be kept" in plant.text("MESSAGE")
    finally:
        folder.unlink()
        aside.rename(folder)
    assert (done.returncode, done.stderr.splitlines()[-1].startswith("Error: ")) == (1, True), done.stderr
    assert plant.operating_point(THREE) == before
