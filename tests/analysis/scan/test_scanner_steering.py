"""Pause, resume, abort and status of a scan: by command, by PV, on a terminal."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import subprocess

import pytest

from tests.analysis.scan.conftest import (
    HV,
    PROGRAM,
    SLOW,
    THREE,
    Plant,
    delivered,
    documents,
    wait_until,
)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def test_a_second_scan_is_told_who_scans(plant: Plant) -> None:
    uid = plant.scan(THREE[0], *SLOW)
    done = plant.run("scan", "iv", THREE[1], "--user", "somebody else", check=False)
    assert done.returncode == 1
    assert f"tester scans 1 channels, from {THREE[0]} on" in done.stderr
    assert json.loads(plant.text("REPLY"))["accepted"]["uid"] == uid, "whoever was accepted can still read it"
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
