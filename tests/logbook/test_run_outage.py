"""The database away: runs go on, and nothing is lost or done twice."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from logbook.desk import Desk
from logbook.orders import order_of
from logbook.present import read_present
from logbook.refusals import Conflict, DatabaseAway
from logbook.requests import BeatRequest, MoveRequest, NoteRequest, OpenRequest
from logbook.run import Run
from logbook.run_query import RunFilter
from logbook.run_state import Command
from logbook.store import Store
from logbook.view import listed, shown
from sipmdcs.clock import ManualClock
from sipmdcs.database import make_engine
from sipmdcs.errors import ServiceError
from tests.logbook.conftest import MakeDesk
from tests.postgresql import PostgresServer

pytestmark = pytest.mark.timeout(180)


class Switch:
    """A database that can be cut off, or does not answer any more."""

    def __init__(self, url: str, server: PostgresServer | None, path: Path, *, silent: bool = False) -> None:
        self.url = url
        self._server = server
        self._path = path
        self._silent = silent

    def off(self) -> None:
        if self._server is not None:
            (self._server.freeze if self._silent else self._server.stop)()
            return
        # A folder in its place: no process can open it.
        for file in self._path.parent.glob(f"{self._path.name}*"):
            file.rename(file.with_name(f"away-{file.name}"))
        self._path.mkdir()

    def on(self) -> None:
        if self._server is not None:
            (self._server.thaw if self._silent else self._server.start)()
            return
        self._path.rmdir()
        for file in self._path.parent.glob(f"away-{self._path.name}*"):
            file.rename(file.with_name(file.name.removeprefix("away-")))


@pytest.fixture(params=["sqlite", "postgresql"])
def switch(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Switch]:
    path = tmp_path / "database" / "test.sqlite"
    if request.param == "sqlite":
        yield Switch(f"sqlite:///{path}", None, path)
    else:
        server: PostgresServer = request.getfixturevalue("postgresql_to_stop")
        yield Switch(server.url, server, path, silent="silent" in request.param)


def cut(switch: Switch, desk: Desk) -> None:
    if desk.store.engine.dialect.name == "sqlite":
        desk.store.engine.dispose()  # it keeps a file that is open whatever happens to its name
    switch.off()


def asked(key: str, **more: Any) -> OpenRequest:
    return OpenRequest.model_validate({"request_key": key, "partition": "MAIN", "type": "physics", "who": "daq"} | more)


def move(desk: Desk, number: int, command: str, **more: Any) -> Run:
    return desk.move(number, Command(command), MoveRequest.model_validate({"who": "daq"} | more), "http").run


@pytest.mark.parametrize("switch", ["sqlite", "postgresql", "postgresql, silent"], indirect=True)
def test_runs_go_on_and_are_stored_with_their_own_times(switch: Switch, make_desk: MakeDesk, clock: ManualClock) -> None:
    desk = make_desk(switch.url)
    before = desk.open(asked("a"), "http").run.number
    move(desk, before, "start")
    cut(switch, desk)
    clock.advance(10)
    assert move(desk, before, "pause").state == "paused"
    assert not desk.database_answers
    move(desk, before, "pause")
    clock.advance(10)
    move(desk, before, "end", events=7)
    clock.advance(10)
    during = desk.open(asked("b"), "http").run
    assert desk.open(asked("b"), "http").run.number == during.number == before + 1
    move(desk, during.number, "start")
    desk.note(during.number, NoteRequest(value="dark", who="anna"))
    desk.beat(during.number, BeatRequest(who="daq", events=3))
    with pytest.raises(Conflict, match=f"run {before}: cannot start a run that is ended"):
        move(desk, before, "start")
    with pytest.raises(DatabaseAway, match="run 99 is not known here"):
        desk.run(99)
    assert [row["number"] for row in listed(desk, RunFilter(open=True))] == [during.number]
    with pytest.raises(DatabaseAway, match="only open runs are known"):
        listed(desk, RunFilter())
    assert shown(desk, during.number)["transitions"] is None
    assert desk.trouble.startswith("database ")
    desk.tend()
    assert len(desk.spool) == 5
    switch.on()
    clock.advance(100)
    desk.tend()
    assert desk.database_answers
    assert (len(desk.spool), desk.run(during.number).events) == (0, 3)
    first = shown(desk, before)
    seconds = [each["at"][17:19] for each in first["transitions"]]
    assert [each["after"] for each in first["transitions"]] == ["init", "running", "paused", "ended"]
    assert (seconds, first["events"]) == (["00", "00", "10", "20"], 7)
    second = shown(desk, during.number)
    assert (second["opened_at"][17:19], second["remarks"]) == ("30", {"comment": "dark"})
    assert desk.open(asked("c"), "http").run.number == during.number + 1
    assert desk.trouble == ""


def test_a_service_that_starts_without_database_knows_its_runs(switch: Switch, make_desk: MakeDesk, clock: ManualClock) -> None:
    desk = make_desk(switch.url)
    number = desk.open(asked("a"), "http").run.number
    cut(switch, desk)
    clock.advance(1)
    move(desk, number, "start")
    other = desk.open(asked("b", partition="LED"), "http").run.number
    clock.advance(1)
    later = make_desk(switch.url)
    assert not later.database_answers
    assert later.run(number).state == "running"
    move(later, number, "end")
    assert later.open(asked("b", partition="LED"), "http").run.number == other
    switch.on()
    later.tend()
    assert [row["number"] for row in listed(later, RunFilter())] == [other, number]
    assert [each["after"] for each in shown(later, number)["transitions"]] == ["init", "running", "ended"]


def test_the_spool_alone_tells_what_was_accepted(switch: Switch, make_desk: MakeDesk, tmp_path: Path) -> None:
    """The process died between keeping an order and keeping the present state."""
    desk = make_desk(switch.url)
    number = desk.open(asked("a"), "http").run.number
    kept = (tmp_path / "present.json").read_bytes()
    cut(switch, desk)
    move(desk, number, "start")
    second = desk.open(asked("b", partition="LED"), "http").run.number
    (tmp_path / "present.json").write_bytes(kept)
    later = make_desk(switch.url)
    assert later.run(number).state == "running"
    assert later.open(asked("b", partition="LED"), "http").run.number == second
    third = later.open(asked("c"), "http").run.number
    assert third == second + 1
    switch.on()
    later.tend()
    assert [row["number"] for row in listed(later, RunFilter())] == [third, second, number]
    assert not list((tmp_path / "spool" / "refused").glob("*"))


def test_orders_are_done_once_even_if_handed_over_twice(switch: Switch, make_desk: MakeDesk, tmp_path: Path) -> None:
    """The process died between the database and forgetting the order."""
    desk = make_desk(switch.url)
    cut(switch, desk)
    number = desk.open(asked("a"), "http").run.number
    move(desk, number, "start")
    desk.note(number, NoteRequest(value="once", who="anna"))
    shutil.copytree(tmp_path / "spool", tmp_path / "copy")
    switch.on()
    desk.tend()
    once = shown(desk, number)
    for entry in sorted((tmp_path / "copy").glob("*.json")):
        entry.rename(tmp_path / "spool" / entry.name)
        later = make_desk(switch.url)
        assert shown(later, number) == once
    assert not list((tmp_path / "spool" / "refused").glob("*"))


def test_numbers_run_out_at_last(switch: Switch, make_desk: MakeDesk) -> None:
    desk = make_desk(switch.url, reserved_numbers=2)
    cut(switch, desk)
    assert [desk.open(asked(key), "http").run.number for key in "ab"] == [1, 2]
    with pytest.raises(ServiceError, match="no run number is left"):
        desk.open(asked("c"), "http")
    switch.on()
    desk.tend()
    assert desk.open(asked("c"), "http").run.number == 3


def test_what_contradicts_the_database_is_kept_aside(
    switch: Switch, make_desk: MakeDesk, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    desk = make_desk(switch.url)
    number = desk.open(asked("a"), "http").run.number
    move(desk, number, "start")
    cut(switch, desk)
    move(desk, number, "pause")
    switch.on()

    other = Store(make_engine(switch.url))
    other.do(
        order_of(
            {"order": "move", "number": number, "command": "end", "at": "2026-01-01T00:00:05Z", "source": "pv", "who": "x"}
        )
    )
    other.close()
    desk.tend()
    (reason,) = (tmp_path / "spool" / "refused").glob("*.reason")
    assert reason.read_text() == f"run {number}: cannot pause a run that is ended; nothing can follow\n"
    assert "an order that waited is refused" in caplog.text
    assert desk.run(number).state == "ended"


@pytest.mark.parametrize("text", ["", "{", "[]", '{"runs": 1}', "\x00"])
def test_a_broken_file_of_the_present_state_is_told_by_the_database(
    make_desk: MakeDesk, tmp_path: Path, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    url = f"sqlite:///{tmp_path / 'test.sqlite'}"
    number = make_desk(url).open(asked("a"), "http").run.number
    (tmp_path / "present.json").write_text(text)
    assert read_present(tmp_path / "present.json").runs == {}
    desk = make_desk(url)
    assert "cannot be used, the database will tell" in caplog.text
    assert desk.run(number).state == "init"
    assert desk.open(asked("b"), "http").run.number > number
