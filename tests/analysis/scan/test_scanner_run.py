"""The run of a scan in the logbook."""

from __future__ import annotations

import json
import signal
import time
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from tests.analysis.scan.conftest import SLOW, THREE, Plant, delivered, documents, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def run_of(plant: Plant, number: int) -> dict[str, Any]:
    with urllib.request.urlopen(f"http://127.0.0.1:{plant.logbook_port}/runs/{number}", timeout=10) as reply:
        return json.load(reply)


@pytest.fixture
def logbook(plant: Plant) -> Iterator[Plant]:
    plant.start("logbook")
    yield plant
    plant.kill("logbook", signal.SIGTERM)


def test_a_scan_is_a_run_of_the_logbook(logbook: Plant) -> None:
    plant = logbook
    uid = plant.scan(*THREE, "--step", "1", "--samples", "1", "--settle", "0")
    plant.wait_state("IDLE")
    number = int(plant.get("DET:SCAN:RUN"))
    run = run_of(plant, number)
    assert (run["type"], run["state"], run["opened_by"], run["facts"]["scan"]) == ("iv", "ended", "tester", uid)
    assert {result.run for result in delivered(plant, uid).values()} == {number}
    assert documents(plant, uid)[0][1]["run_number"] == number

    # A logbook that is too slow to answer at once is asked again, as long as nobody aborts the scan.
    plant.processes["logbook"].send_signal(signal.SIGSTOP)
    plant.scan(*THREE, *SLOW)
    plant.command("abort")
    plant.wait_state("IDLE", timeout=15)
    assert (plant.get("DET:SCAN:RUN"), plant.get("DET:SCAN:POINT")) == (0, 0)
    plant.scan(*THREE, *SLOW)
    time.sleep(6)
    assert (plant.state(), plant.get("DET:SCAN:POINT")) == ("PREPARING", 0)
    plant.processes["logbook"].send_signal(signal.SIGCONT)
    plant.wait_points(1)
    plant.command("abort")
    plant.wait_state("IDLE")
    assert run_of(plant, number + 1)["state"] == "aborted"

    plant.scan(*THREE, *SLOW)
    plant.wait_points(1)
    plant.kill("scanner")
    plant.start("scanner")
    plant.wait_state("IDLE")
    run = run_of(plant, number + 2)
    assert run["state"] == "aborted"
    assert run["end_reason"]


def test_a_run_of_somebody_else_is_left_alone(logbook: Plant) -> None:
    plant = logbook
    body = {"request_key": "daq-1", "partition": "MAIN", "type": "physics", "who": "daq"}
    request = urllib.request.Request(
        f"http://127.0.0.1:{plant.logbook_port}/runs", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=10) as reply:
        theirs = json.load(reply)["number"]
    plant.scan(*THREE, "--step", "1", "--samples", "1", "--settle", "0")
    wait_until(lambda: "without a run number" in plant.text("MESSAGE") or plant.state() != "PREPARING", "told")
    plant.wait_state("IDLE")
    assert plant.get("DET:SCAN:RUN") == 0
    assert json.loads(plant.text("RESULT"))["outcome"] == "completed"
    assert run_of(plant, theirs)["state"] == "init"
