"""Trips, ceilings and hands of others on the channels of a scan."""

from __future__ import annotations

import json

import pytest

from sipmdcs.channels import PvValue
from tests.analysis.scan.conftest import (
    SLOW,
    THREE,
    WORKING_V,
    Plant,
    delivered,
    operating_point_file,
    wait_until,
)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def test_a_trip_ends_one_curve_and_is_told_until_somebody_resets_it(plant: Plant) -> None:
    before = plant.operating_point(THREE)
    uid = plant.scan(*THREE, "--step", "0.5", "--samples", "2", "--settle", "0")
    plant.wait_points(3)
    plant.fault("HV01", "2", "extra-current", "200")
    wait_until(lambda: plant.get("DET:SCAN:NOT_RESTORED") == 1, "told", 60)
    plant.fault("HV01", "2", "extra-current", "0")
    others = [THREE[0], THREE[2]]
    after = plant.operating_point(THREE)
    assert {key: after[key] for key in after if THREE[1] not in key} == {
        key: before[key] for key in before if THREE[1] not in key
    }
    assert after[f"{THREE[1]}:BIAS"] == before[f"{THREE[1]}:BIAS"]
    assert after[f"{THREE[1]}:ENABLE"] == 0, "software never switches on after a trip"
    wait_until(lambda: set(delivered(plant, uid)) == set(others), "the other curves")
    wait_until(lambda: f"{THREE[1]} tripped (over-current)" in plant.text("MESSAGE"), "named", 20)
    severity = plant.channels.get(["DET:SCAN:NOT_RESTORED"])["DET:SCAN:NOT_RESTORED"]
    assert isinstance(severity, PvValue)
    assert severity.severity == 2
    refused = plant.run("scan", "iv", THREE[0], check=False)
    assert THREE[1] in refused.stderr
    assert "scan acknowledge" in refused.stderr
    plant.put({f"{THREE[1]}:TRIP_RESET": 1})
    plant.put({f"{THREE[1]}:ENABLE": 1})
    plant.wait_state("IDLE", timeout=40)
    assert not operating_point_file(plant).exists()


def test_what_is_given_up_stays_as_it_is(plant: Plant) -> None:
    plant.scan(*THREE, "--step", "0.5", "--samples", "2", "--settle", "0")
    plant.wait_points(2)
    plant.fault("HV01", "3", "extra-current", "200")
    wait_until(lambda: plant.get("DET:SCAN:NOT_RESTORED") == 1, "told", 60)
    plant.fault("HV01", "3", "extra-current", "0")
    assert set(json.loads(operating_point_file(plant).read_text())["channels"]) == {THREE[2]}
    plant.command("acknowledge")
    plant.wait_state("IDLE")
    assert not operating_point_file(plant).exists()
    assert plant.get("DET:SCAN:NOT_RESTORED") == 0


@pytest.mark.parametrize(
    ("item", "value", "told"),
    [("BIAS", 40.0, "was set to 40.000 V by somebody else"), ("ENABLE", 0, "switched off by somebody")],
)
def test_a_hand_on_a_channel_ends_the_scan_and_is_not_fought(plant: Plant, item: str, value: float, told: str) -> None:
    before = plant.operating_point(THREE)
    plant.scan(*THREE, "--step", "0.2", "--samples", "10", "--settle", "0")
    plant.wait_points(2)
    # While it measures its next point: what comes in the moment before a setpoint, as after a point, is overwritten by that.
    done = plant.get(f"{THREE[1]}:BIAS")
    wait_until(lambda: plant.get(f"{THREE[1]}:BIAS_RBV") == plant.get(f"{THREE[1]}:BIAS") != done, "at rest at the next point")
    plant.put({f"{THREE[1]}:{item}": value})
    plant.wait_state("IDLE", "FAILED")
    answer = json.loads(plant.text("RESULT"))
    assert answer["outcome"] != "completed"
    assert told in answer["reason"]
    after = plant.operating_point(THREE)
    assert after[f"{THREE[1]}:{item}"] == value
    assert {key: after[key] for key in after if THREE[1] not in key} == {
        key: before[key] for key in before if THREE[1] not in key
    }
    assert not operating_point_file(plant).exists()


def test_a_channel_at_its_ceiling_ends_its_curve_and_keeps_it(plant: Plant) -> None:
    plant.fault("HV01", "2", "extra-current", "20")
    try:
        done = plant.run(
            "scan", "iv", *THREE, "--step", "0.5", "--samples", "1", "--settle", "0", "--max-current", "10", "--json"
        )
    finally:
        plant.fault("HV01", "2", "extra-current", "0")
    rows = json.loads(done.stdout)["channels"]
    assert rows[THREE[1]]["points"] == 1
    assert rows[THREE[1]]["stopped"].startswith("reached its ceiling of 10 uA at")
    assert {rows[name]["points"] for name in (THREE[0], THREE[2])} == {13}


def test_a_hand_on_a_channel_whose_curve_is_over_is_not_fought(plant: Plant) -> None:
    """Even where what somebody sets could be a point of the scan."""
    before = plant.operating_point(THREE)
    plant.fault("HV01", "2", "extra-current", "20")
    try:
        plant.scan(*THREE, "--step", "0.5", "--samples", "2", "--settle", "0", "--max-current", "10")
        wait_until(lambda: plant.get("DET:SCAN:N_STOPPED") == 1, "the curve is over")
    finally:
        plant.fault("HV01", "2", "extra-current", "0")
    theirs = round(plant.get(f"{THREE[1]}:BIAS") + 0.25, 3)  # it waits at its first point
    plant.put({f"{THREE[1]}:BIAS": theirs})
    plant.wait_state("IDLE", "FAILED")
    after = plant.operating_point(THREE)
    assert after[f"{THREE[1]}:BIAS"] == theirs
    assert {key: after[key] for key in after if THREE[1] not in key} == {
        key: before[key] for key in before if THREE[1] not in key
    }
    assert f"{THREE[1]} was set to {theirs:.3f} V by somebody else" in json.loads(plant.text("RESULT"))["reason"]


def test_a_hand_on_a_channel_of_a_paused_scan_that_is_aborted_is_not_fought(plant: Plant) -> None:
    plant.scan(*THREE, *SLOW)
    plant.wait_points(2)
    plant.command("pause")
    plant.wait_state("PAUSED")
    wait_until(lambda: plant.get(f"{THREE[0]}:BIAS_RBV") == plant.get(f"{THREE[0]}:BIAS"), "at rest")
    theirs = round(plant.get(f"{THREE[0]}:BIAS") + 0.1, 3)
    plant.put({f"{THREE[0]}:BIAS": theirs})
    plant.command("abort")
    plant.wait_state("IDLE", "FAILED")
    assert plant.get(f"{THREE[0]}:BIAS") == theirs
    assert plant.get(f"{THREE[1]}:BIAS") == WORKING_V[THREE[1]]
