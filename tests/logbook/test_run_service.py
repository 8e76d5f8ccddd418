"""The service as a process: killed in the middle, its database stopped and started, its PVs."""

import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from itertools import pairwise
from typing import Any

import psutil
import pytest
from click.testing import CliRunner

from logbook.desk_lock import DeskLock
from sipmdcs.cli import main
from sipmdcs.clock import SystemClock
from sipmdcs.errors import ServiceError
from tests.logbook.run_service import RunService, command, wait_until, write_site
from tests.postgresql import PostgresServer
from tests.system.installation import EpicsClient

pytestmark = pytest.mark.timeout(240)

Start = Callable[..., RunService]


def test_killed_in_the_middle_of_a_run(run_service: Start) -> None:
    service = run_service()
    number = service.open("a").json()["number"]
    service.post(f"/runs/{number}/start")
    service.kill()
    service.start()
    assert service.get("/health")["open_runs"][0]["state"] == "running"
    assert service.open("a").json()["number"] == number
    assert service.post(f"/runs/{number}/end").json()["state"] == "ended"
    assert [each["after"] for each in service.get(f"/runs/{number}")["transitions"]] == ["init", "running", "ended"]
    assert service.terminate() == 0


def test_a_run_whose_owner_died_while_the_service_was_away_ends_with_its_last_sign_of_life(run_service: Start) -> None:
    service = run_service()
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as daq:
        owner = {"host": socket.gethostname(), "pid": daq.pid, "process_started": psutil.Process(daq.pid).create_time()}
        number = service.open("a", owner=owner).json()["number"]
        service.post(f"/runs/{number}/start")
        service.kill()
        away = time.time()
        time.sleep(2)  # longer than the clocks of the two are apart
        daq.kill()
    service.start()
    run = wait_until(lambda: (found := service.get(f"/runs/{number}"))["ended_at"] and found, "the end")
    assert (run["state"], run["orphaned"]) == ("aborted", True)
    assert run["started_at"] <= run["ended_at"]
    assert datetime.fromisoformat(run["ended_at"]).timestamp() <= away
    assert "orphaned" in command(service.site, "run", "show", str(number)).stdout


def test_the_database_stopped_and_the_service_killed_during_a_run(
    run_service: Start, postgresql_to_stop: PostgresServer
) -> None:
    service = run_service(database=postgresql_to_stop.url)
    first = service.open("a").json()["number"]
    service.post(f"/runs/{first}/start")
    postgresql_to_stop.stop()
    assert service.post(f"/runs/{first}/pause").json()["state"] == "paused"
    wait_until(lambda: not service.get("/health")["database"], "the loss is known")
    service.kill()
    service.start()
    assert service.post(f"/runs/{first}/resume").json()["state"] == "running"
    assert service.post(f"/runs/{first}/end", events=4).json()["ended_at"]
    second = service.open("b").json()["number"]
    assert service.post(f"/runs/{second}/start").status_code == 200
    refused = service.client.get("/runs")
    assert (refused.status_code, "the database cannot be reached" in refused.json()["error"]) == (503, True)
    assert service.get("/runs", open="true")[0]["number"] == second
    service.kill()
    postgresql_to_stop.start()
    service.start()
    wait_until(lambda: service.get("/health") | {"open_runs": []}, "health")
    wait_until(lambda: service.get("/health")["spooled"] == 0 and service.get("/health")["database"], "all is stored")
    steps = service.get(f"/runs/{first}")["transitions"]
    assert [each["after"] for each in steps] == ["init", "running", "paused", "running", "ended"]
    assert all(before["at"] < after["at"] for before, after in pairwise(steps))
    assert (service.get(f"/runs/{first}")["events"], service.get(f"/runs/{second}")["state"]) == (4, "running")
    third = service.open("c").json()["number"]
    assert [row["number"] for row in service.get("/runs")] == [third, second, first] == [3, 2, 1]
    assert service.get(f"/runs/{second}")["end_reason"] == "daq opened another run while it was running"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, free_ports: Callable[[int], list[int]]) -> Iterator[RunService]:
    service = RunService(write_site(tmp_path_factory.mktemp("pvs") / "site", free_ports))
    service.start()
    yield service
    service.kill()


@pytest.fixture
def epics(service: RunService) -> Iterator[tuple[RunService, EpicsClient]]:
    with EpicsClient(service.environment) as client:
        yield service, client


def test_runs_as_pvs(epics: tuple[RunService, EpicsClient]) -> None:
    service, client = epics

    def pv(name: str) -> Any:
        return client.ask("get", names=[f"TST:RUN:{name}"])[f"TST:RUN:{name}"]["value"]

    def press(name: str, value: Any = 1) -> None:
        client.ask("put", values={f"TST:RUN:{name}": value})

    def message() -> str:
        return bytes(pv("MESSAGE")).rstrip(b"\0").decode()

    assert (pv("STATE"), pv("NUMBER"), pv("PARTITION")) == (0, 0, "MAIN")
    press("START")
    wait_until(lambda: message() == "cannot start: partition MAIN has no run yet", "the refusal")
    press("TYPE_SET", "moon")
    press("OPEN")
    wait_until(lambda: message().startswith("type: 'moon' is not known, expected one of physics"), "the refusal")
    press("TYPE_SET", "calibration")
    press("WHO_SET", "anna")
    press("OPEN")
    wait_until(lambda: message() == "run 1 is init", "the run")
    assert (pv("STATE"), pv("NUMBER"), pv("TYPE"), pv("OPENED_BY")) == (1, 1, "calibration", "anna")
    press("OPEN")
    wait_until(lambda: message() == "run 1 of partition MAIN is init; end or abort it first", "the refusal")
    for name, state, text in (("START", 2, "running"), ("PAUSE", 3, "paused"), ("RESUME", 2, "running")):
        press(name)
        wait_until(lambda text=text: message() == f"run 1 is {text}", text)
        assert pv("STATE") == state
    service.post("/runs/1/heartbeat", events=123)
    wait_until(lambda: pv("EVENTS") == 123 and pv("DURATION") > 0, "events and duration")
    press("REASON_SET", "beam lost")
    press("END")
    wait_until(lambda: pv("STATE") == 4, "the end")
    run = service.get("/runs/1")
    assert (run["end_reason"], run["opened_by"], run["ended_by"]) == ("beam lost", "anna", "anna")
    assert {each["source"] for each in run["transitions"]} == {"pv"}
    assert (pv("REASON_SET"), pv("CONFIG_VERSION"), pv("LAST_NUMBER")) == ("", 0, 1)
    press("LED:OPEN")
    wait_until(lambda: pv("LED:NUMBER") == 2, "another partition")
    wait_until(lambda: (pv("NUMBER"), pv("LED:STATE"), pv("LAST_NUMBER")) == (1, 1, 2), "both partitions")
    wait_until(lambda: pv("LED:OPEN") == 0, "the button is up again")


def test_an_outage_as_pvs(run_service: Start, postgresql_to_stop: PostgresServer) -> None:
    service = run_service(database=postgresql_to_stop.url, logbook="reserved_numbers: 1\n")
    with EpicsClient(service.environment) as client:

        def pv(name: str) -> tuple[Any, int]:
            found = client.ask("get", names=[f"TST:{name}"])[f"TST:{name}"]
            return found["value"], found["severity"]

        wait_until(lambda: pv("SYS:LOGBOOK:DATABASE") == (1, 0) and pv("SYS:LOGBOOK:RESERVED") == (1, 0), "all is well")
        postgresql_to_stop.stop()
        wait_until(lambda: pv("SYS:LOGBOOK:DATABASE") == (0, 2), "the loss")
        client.ask("put", values={"TST:RUN:OPEN": 1})
        wait_until(lambda: pv("RUN:STATE")[0] == 1, "a run without the database")
        wait_until(lambda: pv("SYS:LOGBOOK:SPOOLED") == (1, 1) and pv("SYS:LOGBOOK:RESERVED") == (0, 2), "the spool")
        client.ask("put", values={"TST:RUN:START": 1})
        wait_until(lambda: pv("RUN:STATE")[0] == 2, "it starts")
        postgresql_to_stop.start()
        wait_until(lambda: pv("SYS:LOGBOOK:DATABASE") == (1, 0) and pv("SYS:LOGBOOK:SPOOLED") == (0, 0), "all is stored")
        assert service.get("/runs/1")["state"] == "running"


class HurriedClock(SystemClock):
    """Twenty times as fast: nobody is patient."""

    def monotonic(self) -> float:
        return super().monotonic() * 20


def test_only_one_process_keeps_the_run_table(service: RunService) -> None:
    with pytest.raises(ServiceError, match="another process keeps the run table of this site, and does not answer"):
        DeskLock(service.site, HurriedClock())


def test_a_wrong_file_is_named(make_site: Callable[..., Any]) -> None:
    site = make_site(logbook="partitions: [MAIN]\nheartbeat_s: {MOON: 3}\n")
    for words in (("logbook",), ("run", "open")):
        done = CliRunner().invoke(main, ["--site", str(site.folder), *words])
        assert done.exit_code == 1
        assert "logbook.yaml:1: heartbeat_s names MOON, which is not among the partitions" in done.stderr
