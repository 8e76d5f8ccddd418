"""The desk with the database there."""

import multiprocessing
import os
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest
from sqlalchemy import bindparam, text

from logbook.desk import Desk
from logbook.refusals import Conflict, NotThere
from logbook.requests import BeatRequest, MoveRequest, NoteRequest, OpenRequest
from logbook.run import Run
from logbook.run_query import RunFilter
from logbook.run_state import Command
from logbook.view import listed, shown
from sipmdcs.clock import ManualClock, to_datetime
from sipmdcs.errors import BadInput
from sipmdcs.process_start import started_s
from sipmdcs.sqltypes import UtcDateTime
from tests.logbook.conftest import MakeDesk
from tests.logbook.run_service import wait_until
from tests.sqlite_writer import writing

WHO = MoveRequest(who="daq")


def asked(key: str = "a", **more: Any) -> OpenRequest:
    return OpenRequest.model_validate({"request_key": key, "partition": "MAIN", "type": "physics", "who": "daq"} | more)


def move(desk: Desk, number: int, command: str, **more: Any) -> Run:
    return desk.move(number, Command(command), MoveRequest.model_validate({"who": "daq"} | more), "http").run


@pytest.fixture
def desk(make_desk: MakeDesk, database_url: str) -> Desk:
    return make_desk(database_url, heartbeat_s={"MAIN": 30.0})


def test_a_run_from_opening_to_end(desk: Desk, clock: ManualClock) -> None:
    number = desk.open(asked(facts={"trigger": "led"}), "http").run.number
    for seconds, command in ((1, "start"), (2, "pause"), (3, "resume"), (4, "end")):
        clock.advance(seconds)
        move(desk, number, command, **({"events": 12, "facts": {"files": 2}} if command == "end" else {}))
    found = shown(desk, number)
    assert (found["state"], found["events"], found["summary"]) == ("ended", 12, "waiting")
    assert found["facts"] == {"trigger": "led", "files": 2}
    assert [each["after"] for each in found["transitions"]] == ["init", "running", "paused", "running", "ended"]
    assert found["started_at"] == found["transitions"][1]["at"]
    assert datetime.fromisoformat(found["ended_at"]) - datetime.fromisoformat(found["opened_at"]) == timedelta(seconds=10)
    assert desk.open(asked("b"), "http").run.number == number + 1


def test_repeated_requests_do_nothing(desk: Desk) -> None:
    first = desk.open(asked(), "http")
    again = desk.open(asked(), "http")
    assert (first.done, again.done, again.run) == (True, False, first.run)
    for command in ("start", "pause", "resume", "end"):
        desk.move(first.run.number, Command(command), WHO, "http")
        assert not desk.move(first.run.number, Command(command), WHO, "http").done
        assert desk.open(asked(), "http").run.number == first.run.number
    assert len(shown(desk, first.run.number)["transitions"]) == 5
    with pytest.raises(Conflict, match="opened run 1 of type physics"):
        desk.open(asked(type="iv"), "http")
    with pytest.raises(Conflict, match="run 1: cannot start a run that is ended; nothing can follow"):
        move(desk, 1, "start")


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"partition": "MOON"}, "partition: 'MOON' is not known, expected one of MAIN, LED"),
        ({"type": "' OR 1=1"}, "type: .* is not known, expected one of physics"),
        ({"at": "2027-01-01T00:00:00Z"}, "at: .* is in the future, it is 2026-01-01"),
    ],
)
def test_what_is_not_known_is_refused(desk: Desk, more: dict[str, Any], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        desk.open(asked(**more), "http")
    assert not desk.present.runs


def test_no_such_run(desk: Desk) -> None:
    for work in (lambda: move(desk, 99, "end"), lambda: desk.note(99, NoteRequest(value="x", who="me")), lambda: desk.run(99)):
        with pytest.raises(NotThere, match="there is no run 99"):
            work()


def test_one_open_run_per_partition_the_older_one_is_an_orphan(desk: Desk) -> None:
    first = desk.open(asked("a"), "http").run.number
    other = desk.open(asked("led", partition="LED"), "http").run.number
    move(desk, first, "start")
    with pytest.raises(Conflict, match=f"run {first} of partition MAIN is running; end or abort it first"):
        desk.open(asked("b", replace=False), "command")
    second = desk.open(asked("b"), "http").run
    orphan = shown(desk, first)
    assert (orphan["state"], orphan["end_reason"]) == ("aborted", "daq opened another run while it was running")
    assert orphan["transitions"][-1]["source"] == "service"
    assert (orphan["ended_at"], desk.orphans) == (shown(desk, second.number)["opened_at"], 1)
    assert desk.run(other).state.is_open


def test_times_told_by_the_caller(desk: Desk, clock: ManualClock) -> None:
    clock.advance(100)
    now = to_datetime(clock.time_ns())
    number = desk.open(asked(at=now - timedelta(seconds=50)), "http").run.number
    move(desk, number, "start", at=now - timedelta(seconds=40))
    with pytest.raises(BadInput, match=f"is before run {number} was running"):
        move(desk, number, "end", at=now - timedelta(seconds=45))
    assert move(desk, number, "end", at=now - timedelta(seconds=10)).ended_at == now - timedelta(seconds=10)
    with pytest.raises(BadInput, match=f"is before run {number} was ended"):
        desk.open(asked("b", at=now - timedelta(seconds=11)), "http")


def test_a_clock_that_steps_back_does_no_harm(desk: Desk, clock: ManualClock) -> None:
    number = desk.open(asked(), "http").run.number
    clock.step(-3600)
    run = move(desk, number, "abort")
    assert run.ended_at == run.opened_at
    assert desk.open(asked("b"), "http").run.opened_at == run.ended_at


def test_remarks_keep_their_history(desk: Desk) -> None:
    number = desk.open(asked(), "http").run.number
    for value in ("bad", "good'); DROP TABLE logbook_run; --"):
        desk.note(number, NoteRequest(field="quality", value=value, who="anna"))
    desk.note(number, NoteRequest(value="beam was late", who="otto"))
    found = shown(desk, number)
    assert found["remarks"] == {"quality": "good'); DROP TABLE logbook_run; --", "comment": "beam was late"}
    assert [row["value"] for row in found["remark_history"]][:2] == ["bad", "good'); DROP TABLE logbook_run; --"]
    assert listed(desk, RunFilter())[0]["remarks"] == found["remarks"]


def test_filters(desk: Desk, clock: ManualClock) -> None:
    for key, partition, kind in (("a", "MAIN", "physics"), ("b", "LED", "iv"), ("c", "MAIN", "iv")):
        clock.advance(10)
        desk.open(asked(key, partition=partition, type=kind), "http")
    opened = [datetime.fromisoformat(row["opened_at"]) for row in listed(desk, RunFilter())]

    def numbers(**filters: Any) -> list[int]:
        return [row["number"] for row in listed(desk, RunFilter.model_validate(filters))]

    assert numbers() == [3, 2, 1]
    assert numbers(type="iv", partition="MAIN") == [3]
    assert numbers(open=True) == [3, 2]
    assert numbers(state="aborted") == numbers(open=False) == [1]
    assert numbers(first=2, last=2) == numbers(limit=1, offset=1) == [2]
    assert numbers(since=opened[0] + timedelta(seconds=1)) == [3, 2]
    assert numbers(until=opened[0]) == [2, 1]
    assert numbers(partition="' OR ''='") == []


def test_signs_of_life(desk: Desk, clock: ManualClock) -> None:
    number = desk.open(asked(), "http").run.number
    move(desk, number, "start")
    for events, step_s in ((5, 3600), (10, -3600), (20, 0)):
        clock.advance(10)
        clock.step(step_s)  # a clock that is set is no silence
        desk.tend()
        assert desk.run(number).state.is_open
        clock.advance(15)
        desk.beat(number, BeatRequest(who="daq", events=events))
        desk.tend()
        assert desk.run(number).state.is_open
    heard = to_datetime(clock.time_ns())
    clock.advance(31)
    desk.tend()
    run = desk.run(number)
    assert (run.state, run.ended_at, run.events) == ("aborted", heard, 20)
    assert run.end_reason.startswith("no sign of life of its data acquisition since 2026-01-01T00:01:15")
    with pytest.raises(Conflict, match="run 1 is aborted"):
        desk.beat(number, BeatRequest(who="daq"))


def test_silence_while_nobody_listened_is_no_evidence(
    desk: Desk, make_desk: MakeDesk, database_url: str, clock: ManualClock
) -> None:
    number = desk.open(asked(), "http").run.number
    clock.advance(3600)
    later = make_desk(database_url, heartbeat_s={"MAIN": 30.0})
    assert later.run(number).state.is_open
    clock.advance(31)
    later.tend()
    assert later.run(number).state == "aborted"


def test_a_run_whose_process_is_gone_is_closed_at_once_and_no_other_though_the_clock_was_set(
    desk: Desk, make_desk: MakeDesk, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    daq = multiprocessing.get_context("spawn").Process(target=socket.gethostname)
    daq.start()
    assert daq.pid is not None
    started = psutil.Process(daq.pid).create_time()
    daq.join()
    me = {"host": socket.gethostname(), "pid": os.getpid(), "process_started": psutil.Process().create_time()}
    gone = {"host": socket.gethostname(), "pid": daq.pid, "process_started": started}
    alive = desk.open(asked("a", owner=me), "http").run
    orphan = desk.open(asked("b", partition="LED", owner=gone), "http").run
    booted_s = psutil.boot_time()
    monkeypatch.setattr("psutil._pslinux.boot_time", lambda: booted_s + 3600)  # the clock of the machine is set
    later = make_desk(database_url)
    assert later.run(alive.number).state.is_open
    assert later.run(orphan.number).end_reason == f"its data acquisition, process {daq.pid} on {gone['host']}, is gone"
    assert later.run(orphan.number).state == "aborted"
    assert alive.facts["owner"] == {**me, "since_boot_s": started_s(os.getpid())}


def test_an_orphan_ends_with_the_last_sign_of_life_and_is_marked(
    desk: Desk, make_desk: MakeDesk, database_url: str, clock: ManualClock
) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as daq:
        owner = {"host": socket.gethostname(), "pid": daq.pid, "process_started": psutil.Process(daq.pid).create_time()}
        unseen, seen = (desk.open(asked(key, partition=key, owner=owner), "http").run.number for key in ("MAIN", "LED"))
        clock.advance(15)
        desk.tend()
        alive_at = to_datetime(clock.time_ns())
        clock.advance(6)  # the service is away from here on
        daq.kill()
        daq.wait()
    clock.advance(39)
    later = make_desk(database_url)
    for number in (unseen, seen):
        run = later.run(number)
        assert (run.state, run.ended_at, run.orphaned) == ("aborted", alive_at, True)
        assert later.store.transitions(number)[-1].at == alive_at


def test_the_death_of_an_owner_while_the_service_lives_is_known_to_the_second(
    desk: Desk, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as daq:
        owner = {"host": socket.gethostname(), "pid": daq.pid, "process_started": psutil.Process(daq.pid).create_time()}
        number = desk.open(asked(owner=owner), "http").run.number
        booted_s = psutil.boot_time()
        for second in range(13):
            clock.advance(1)
            desk.tend()
            if second == 6:  # the clock of the machine is set
                monkeypatch.setattr("psutil._pslinux.boot_time", lambda: booted_s + 3600)
        alive_at = to_datetime(clock.time_ns())
        daq.kill()  # and nobody waits for it: a process that is dead, not gone
        wait_until(lambda: psutil.Process(daq.pid).status() == psutil.STATUS_ZOMBIE, "the process is dead")
        clock.advance(1)
        answer = desk.open(asked("next"), "http")
        run = desk.run(number)
    assert (run.ended_at, run.orphaned, answer.run.orphaned) == (alive_at, True, False)
    assert "is gone" in run.end_reason


def test_the_configuration_on_the_detector(desk: Desk, clock: ManualClock) -> None:
    assert desk.open(asked("none"), "http").run.config_version is None
    now = to_datetime(clock.time_ns())
    with desk.store.begin() as connection:
        connection.execute(text("CREATE TABLE config_version (id INTEGER, content_hash VARCHAR(64))"))
        column = "TIMESTAMP WITH TIME ZONE" if connection.dialect.name == "postgresql" else "DATETIME"
        connection.execute(
            text(
                f'CREATE TABLE config_push (id INTEGER, version_id INTEGER, "only" TEXT, state VARCHAR(20), ended_at {column})'
            )
        )
        connection.execute(text("INSERT INTO config_version VALUES (1, 'aa'), (2, 'bb')"))
        rows = [(1, 1, "verified", -60), (2, 2, "verified", -30), (3, 1, "rolled_back", -10), (4, 1, "running", None)]
        for number, version, state, seconds in rows:
            ended = None if seconds is None else (now + timedelta(seconds=seconds)).astimezone(UTC)
            values = {
                "n": number,
                "v": version,
                "o": "HV18" if number == 2 else "",
                "s": state,
                "e": ended if ended is None else ended.replace(tzinfo=None),
            }
            if ended is not None and connection.dialect.name == "postgresql":
                values["e"] = ended
            connection.execute(text("INSERT INTO config_push VALUES (:n, :v, :o, :s, :e)"), values)
    run = desk.open(asked("some"), "http").run
    assert (run.config_version, run.config_push, run.config_hash, run.config_only) == (2, 2, "bb", "HV18")
    # Opened, configured, started: what counts is what was there when data were taken.
    clock.advance(100)
    with desk.store.begin() as connection:
        pushed = text("INSERT INTO config_push VALUES (9, 1, '', 'verified', :at)").bindparams(
            bindparam("at", type_=UtcDateTime)
        )
        connection.execute(pushed, {"at": to_datetime(clock.time_ns())})
    clock.advance(1)
    started = move(desk, run.number, "start")
    assert (started.config_version, started.config_push, started.config_hash, started.config_only) == (1, 9, "aa", "")
    assert desk.run(run.number) == started
    assert run.software_version


def test_a_run_opened_elsewhere_is_seen(desk: Desk, make_desk: MakeDesk, database_url: str, tmp_path) -> None:
    other = make_desk(database_url)
    number = other.open(asked("elsewhere"), "command").run.number
    with pytest.raises(Conflict, match=f"run {number} of partition MAIN is init"):
        desk.open(asked("here", replace=False), "http")
    assert desk.open(asked("elsewhere"), "http").run.number == number
    move(other, number, "abort")
    desk.tend()
    assert desk.present.open_in("MAIN") is None


def test_who_reads_waits_for_no_writer(make_desk: MakeDesk, tmp_path: Path) -> None:
    path = tmp_path / "logbook.sqlite"
    desk = make_desk(f"sqlite:///{path}")
    number = desk.open(asked(), "http").run.number
    desk.note(number, NoteRequest(field="comment", value="good", who="daq"))
    with writing(path), ThreadPoolExecutor(1) as thread:
        waits = thread.submit(desk.open, asked("b", partition="LED"), "http")
        wait_until(waits.running, "somebody wants to write, and keeps the desk for it")
        assert shown(desk, number)["remarks"] == {"comment": "good"}
        assert [run["remarks"] for run in listed(desk, RunFilter())] == [{"comment": "good"}]
    assert waits.result().run.number == number + 1
