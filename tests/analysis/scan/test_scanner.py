"""Scans on a real IOC with simulated modules, and everything that can come in between."""

from __future__ import annotations

import json
import math
import os
import pty
import select
import signal
import subprocess
from pathlib import Path

import numpy as np
import pytest

from analysis.fit.recipe import analyse
from analysis.outcome import Kind
from analysis.scan.chartext import to_wire
from sipmdcs.channels import PvValue
from sipmdcs.errors import ChannelError
from tests.analysis.scan.conftest import (
    CHANNELS,
    HV,
    LED,
    PROGRAM,
    SLOW,
    THREE,
    VBR_V,
    WORKING_V,
    Plant,
    delivered,
    documents,
    wait_until,
)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def operating_point_file(plant: Plant) -> Path:
    return plant.folder / "var" / "scan" / "operating-point.json"


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
        assert found.value == pytest.approx(truth_V, abs=0.3)


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


def test_a_second_scan_is_told_who_scans(plant: Plant) -> None:
    plant.scan(THREE[0], *SLOW)
    done = plant.run("scan", "iv", THREE[1], "--user", "somebody else", check=False)
    assert done.returncode == 1
    assert f"tester scans 1 channels, from {THREE[0]} on" in done.stderr
    plant.command("abort")
    plant.wait_state("IDLE")


def test_a_pause_holds_and_resuming_measures_the_point_again(plant: Plant) -> None:
    uid = plant.scan(*THREE, "--step", "0.5", "--samples", "2", "--settle", "0")
    plant.wait_points(4)
    plant.command("pause")
    plant.wait_state("PAUSED")
    point, volts = plant.get("DET:SCAN:POINT"), plant.get(f"{THREE[0]}:BIAS")
    heartbeat = plant.get(f"{HV}:HEARTBEAT")
    wait_until(lambda: plant.get(f"{HV}:HEARTBEAT") > heartbeat + 10, "ten polls")
    assert (plant.get("DET:SCAN:POINT"), plant.get(f"{THREE[0]}:BIAS")) == (point, volts)
    plant.command("resume")
    plant.wait_state("IDLE")
    assert json.loads(plant.text("RESULT"))["outcome"] == "completed"
    assert {len(result.array) for result in delivered(plant, uid).values()} == {13}


def test_anybody_aborts_and_everything_is_back(plant: Plant) -> None:
    before = plant.operating_point(THREE)
    uid = plant.scan(*THREE, *SLOW, "--poll", "0.2")
    plant.wait_points(3)
    assert plant.get(f"{HV}:POLL_PERIOD") == 0.2
    plant.put({"DET:SCAN:ABORT": 1})
    plant.wait_state("IDLE")
    answer = json.loads(plant.text("RESULT"))
    assert (answer["outcome"], answer["not_restored"]) == ("aborted", {})
    assert plant.operating_point(THREE) == before
    assert not delivered(plant, uid), "an aborted scan gives the analysis nothing"
    kept = documents(plant, uid)
    assert kept[-1][1]["exit_status"] == "abort"
    assert sum(name == "event" for name, _ in kept) >= 3 * len(THREE), "and loses none of its points"


def test_a_paused_scan_can_be_aborted(plant: Plant) -> None:
    before = plant.operating_point(THREE)
    plant.scan(*THREE, *SLOW)
    plant.wait_points(2)
    plant.run("scan", "pause")
    plant.wait_state("PAUSED")
    plant.run("scan", "abort")
    plant.wait_state("IDLE")
    assert plant.operating_point(THREE) == before


def test_what_cannot_be_done_now_is_said(plant: Plant) -> None:
    for command in ("pause", "acknowledge"):
        done = plant.run("scan", command, check=False)
        assert (done.returncode, done.stderr.count("\n")) == (1, 1), done.stderr
        assert "nothing" in done.stderr


def test_interrupting_the_command_aborts_the_scan(plant: Plant) -> None:
    """Without a terminal to ask on."""
    before = plant.operating_point(THREE)
    process = subprocess.Popen(
        [PROGRAM, "scan", "iv", *THREE, *SLOW],
        env=plant.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    plant.wait_state("RUNNING")
    plant.wait_points(2)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "the scan is aborted" in told
    assert plant.operating_point(THREE) == before


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
    plant.scan(*THREE, *SLOW)
    plant.wait_points(2)
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


def test_an_ioc_that_dies_and_returns(plant: Plant) -> None:
    before = plant.operating_point(THREE)
    plant.scan(*THREE, *SLOW)
    plant.wait_points(2)
    plant.kill("all")
    wait_until(lambda: plant.get("DET:SCAN:NOT_RESTORED") == 3, "all three are told", 90)
    plant.start("ioc", "all")
    plant.wait_state("IDLE")
    wait_until(lambda: plant.operating_point(THREE) == before, "everything is back, and this client connected again")


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


def test_status_is_told_for_people_and_programs(plant: Plant) -> None:
    plant.scan(*THREE, *SLOW)
    plant.wait_points(1)
    row = json.loads(plant.run("scan", "status", "--json").stdout)
    text = plant.run("scan", "status").stdout
    plant.command("abort")
    plant.wait_state("IDLE")
    assert (row["state"], row["started_by"], row["channels"], row["points"]) == ("RUNNING", "tester", THREE, 31)
    assert 0 < row["progress_percent"] < 100
    assert row["remaining_s"] > 0
    assert "RUNNING" in text
    assert "started by tester" in text


def test_on_a_terminal_there_is_a_bar_and_ctrl_c_asks(plant: Plant) -> None:
    before = plant.operating_point(THREE)
    terminal, slave = pty.openpty()
    process = subprocess.Popen(
        [PROGRAM, "scan", "iv", *THREE, *SLOW], env=plant.environment, stdin=slave, stdout=slave, stderr=slave, close_fds=True
    )
    os.close(slave)
    screen = ""

    def shows(text: str) -> bool:
        nonlocal screen
        while select.select([terminal], [], [], 0)[0]:
            try:
                screen += os.read(terminal, 4096).decode()
            except OSError:  # nobody has the other end open any more
                break
        return text in screen

    wait_until(lambda: shows("RUNNING   [#"), "a bar", 40, lambda: screen)
    process.send_signal(signal.SIGINT)
    wait_until(lambda: shows("Abort the scan and put everything back?"), "a question", 20, lambda: screen)
    assert plant.state() == "RUNNING", "the scan goes on while nobody has answered"
    os.write(terminal, b"y\n")
    wait_until(lambda: shows("the scan is aborted"), "the end", 40, lambda: screen)
    assert process.wait(20) == 1
    os.close(terminal)
    assert plant.operating_point(THREE) == before
