"""Scans on a real IOC with simulated modules, and everything that can come in between."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from analysis.fit.recipe import analyse
from analysis.outcome import Kind
from analysis.scan.chartext import to_wire
from sipmdcs.errors import ChannelError
from tests.analysis.scan.conftest import (
    CHANNELS,
    LED,
    THREE,
    VBR_V,
    Plant,
    delivered,
    documents,
    operating_point_file,
    wait_until,
)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def test_a_scan_by_command_finds_the_breakdown_voltage(plant: Plant) -> None:
    """Of one channel that is on and one that is off; afterwards everything is as it was."""
    pair = [THREE[0], CHANNELS[7]]
    before = plant.operating_point(pair)
    assert before[f"{pair[1]}:ENABLE"] == 0
    fine = ("--from", "VBR-1", "--to", "VBR+3.5", "--settle", "0")
    done = plant.run("scan", "iv", *pair, *fine, "--json", "--user", "tester")
    answer = json.loads(done.stdout)
    assert (answer["outcome"], answer["not_restored"]) == ("completed", {})
    assert {name: row["points"] for name, row in answer["channels"].items()} == dict.fromkeys(pair, 46)
    after = plant.operating_point(pair)
    assert {name: value for name, value in after.items() if not name.endswith("BIAS_RBV")} == {
        name: value for name, value in before.items() if not name.endswith("BIAS_RBV")
    }
    assert after[f"{pair[0]}:BIAS_RBV"] == before[f"{pair[0]}:BIAS_RBV"]
    assert not operating_point_file(plant).exists()
    results = delivered(plant, answer["uid"])
    assert set(results) == set(pair)
    for channel, result in results.items():
        truth_V = VBR_V[channel] + 0.054 * (result.conditions["temperature_C"] - 25)
        found = {outcome.method: outcome for outcome in analyse(Kind.IV, np.asarray(result.array), result.conditions)}["ild"]
        assert found.value is not None, found.reason
        assert found.uncertainty is not None
        assert abs(found.value - truth_V) < 3 * found.uncertainty


def test_documents_are_kept_with_who_and_every_point(plant: Plant) -> None:
    uid = plant.scan(*THREE, "--step", "1", "--samples", "1", "--settle", "0")
    plant.wait_state("IDLE")
    kept = documents(plant, uid)
    start, stop = kept[0][1], kept[-1][1]
    assert (kept[0][0], start["plan_name"], start["who"], start["run_number"]) == ("start", "iv_scan", "tester", None)
    assert (kept[-1][0], stop["exit_status"], stop["num_events"]) == ("stop", "success", dict.fromkeys(THREE, 7))


def test_a_dry_run_changes_nothing(plant: Plant) -> None:
    before = plant.operating_point(THREE)
    done = plant.run("scan", "iv", *THREE, "--dry-run", "--json", "--step", "0.5", "--from", "50", "--to", "55")
    told = json.loads(done.stdout)
    assert [row["channel"] for row in told["channels"]] == THREE
    assert {(row["from_V"], row["to_V"], row["points"]) for row in told["channels"]} == {(50.0, 55.0, 11)}
    assert 3 < told["seconds"] < 30
    assert plant.operating_point(THREE) == before


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("DET:VETO:HV99:CH01",), "no channel of this site is DET:VETO:HV99:CH01"),
        ((CHANNELS[0], "--from", "VBR+4", "--to", "VBR-2"), "goes nowhere"),
        ((CHANNELS[0], "--to", "90"), "outside its limits, 0 to 80 V"),
        ((CHANNELS[0], "--max-current", "60"), "above its CURRENT_LIMIT of 50 uA"),
        ((CHANNELS[0], "--step", "0.001"), "step_V: Input should be greater than or equal to 0.02"),
        ((CHANNELS[0], "--from", "over there"), "'over there' is no voltage"),
        ((CHANNELS[0], "--poll", "0.01"), "poll_s"),
    ],
)
def test_a_bad_request_is_refused_in_one_line(plant: Plant, arguments: tuple[str, ...], reason: str) -> None:
    before = plant.operating_point(THREE)
    done = plant.run("scan", "iv", *arguments, check=False)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1), done.stderr
    assert reason in done.stderr
    assert plant.operating_point(THREE) == before


@pytest.mark.parametrize("text", ["", "{", "[]", '{"who": "x"}', '{"who": "x", "channels": ["a"], "volts": 3}', "\x01" * 3000])
def test_nonsense_in_the_request_pv_is_refused_with_a_message(plant: Plant, text: str) -> None:
    pv = "DET:SCAN:REQUEST"
    assert isinstance(plant.channels.put({pv: to_wire(text)})[pv], ChannelError)
    assert plant.text("MESSAGE").startswith("refused: ")
    assert plant.state() in ("IDLE", "FAILED")


def test_masked_and_tripped_channels_are_refused_or_left_out(plant: Plant) -> None:
    plant.put({f"{THREE[1]}:MASK": 1})
    try:
        refused = plant.run("scan", "iv", *THREE, "--step", "1", check=False)
        assert f"{THREE[1]}: is masked; --skip-bad leaves them out" in refused.stderr
        done = plant.run("scan", "iv", *THREE, "--step", "1", "--samples", "1", "--settle", "0", "--skip-bad", "--json")
    finally:
        plant.put({f"{THREE[1]}:MASK": 0})
    assert set(json.loads(done.stdout)["channels"]) == {THREE[0], THREE[2]}


def test_a_c11204_gives_a_curve_but_no_number(plant: Plant) -> None:
    """Its current monitor has steps of 5 uA: the curve is flat, and the analysis must say so."""
    plant.put({f"{LED}:BIAS": 55.0})
    wait_until(lambda: plant.get(f"{LED}:STATE") in (2, 4), "on", 30)
    done = plant.run("scan", "iv", LED, "--step", "0.5", "--samples", "1", "--settle", "0", "--json")
    answer = json.loads(done.stdout)
    result = delivered(plant, answer["uid"])[LED]
    assert len(result.array) == 13
    assert all(math.isfinite(number) for number in np.asarray(result.array).ravel())
    assert [outcome.value for outcome in analyse(Kind.IV, np.asarray(result.array), result.conditions)] == [None] * 4
