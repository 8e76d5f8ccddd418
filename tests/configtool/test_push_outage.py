"""A push whose database goes away at any step: rolled back, kept on the disk, and told by history when the database is back."""

from __future__ import annotations

import errno
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import Engine, event, text, update
from sqlalchemy.exc import OperationalError

from configtool.push import Outcome
from configtool.pushjournal import replay
from configtool.pushlock import LockLost, mark_dead_pushes
from configtool.pushplan import PushState, make_plan
from configtool.pushrecord import PushRecord
from configtool.pushsteps import Write, begin, next_step
from configtool.reading import Reading
from configtool.store import Store
from configtool.tables import PushLock
from sipmdcs.clock import to_datetime
from sipmdcs.errors import ServiceError
from tests.configtool.test_push import Bench, bench

__all__ = ["bench"]


class Outage:
    """Every statement fails while it lasts, as if the server were gone."""

    def __init__(self, bench: Bench) -> None:
        self.lasts = False
        event.listen(bench.engine, "before_cursor_execute", self._fail)

    def _fail(self, *_: Any) -> None:
        if self.lasts:
            raise OperationalError("", {}, Exception("the server is gone"))

    def begin(self) -> None:
        self.lasts = True

    def end(self) -> None:
        self.lasts = False


@pytest.fixture
def engine(sqlite: Engine) -> Engine:
    """One kind of database is enough here; ``test_push_postgresql.py`` stops a server."""
    return sqlite


@pytest.fixture
def outage(bench: Bench) -> Outage:
    return Outage(bench)


def back(bench: Bench, outage: Outage) -> list[str]:
    """What the next command says once the database is back: recorded is what waited, then dead pushes are marked."""
    outage.lasts = False
    lines: list[str] = []
    replay(bench.engine, bench.journal, lines.append)
    with Store(bench.engine).session() as session:
        lines += mark_dead_pushes(session, to_datetime(bench.clock.time_ns()))
    assert not len(bench.journal)
    assert not bench.locked()
    return lines


@pytest.mark.parametrize("when", ["writing, phase 1", "verifying", "writing, phase 2", "puts 1", "puts 2"])
def test_history_says_rolled_back_when_the_database_returns(bench: Bench, outage: Outage, when: str) -> None:
    before, put = bench.values(), bench.channels.put
    calls: list[int] = []

    def put_and_lose(*args: Any, **options: Any) -> Any:
        answers = put(*args, **options)
        calls.append(1)
        if when == f"puts {len(calls)}":
            outage.begin()
        return answers

    bench.channels.put = put_and_lose
    bench.watcher.at[when] = outage.begin
    outcome = bench.push()
    written = {pv for pv, _ in bench.channels.puts}
    assert outcome.state is (PushState.ROLLED_BACK if written else PushState.ABORTED)
    assert "the server is gone" in outcome.unrecorded
    assert bench.values() == before
    (line,) = back(bench, outage)
    assert f"ended {outcome.state}" in line
    (row,) = bench.rows()
    assert (row.state, row.reason) == (outcome.state, outcome.reason)
    assert "the server is gone" in row.reason
    assert set(bench.items("rolled back")) == written
    bench.watcher.at.clear()
    assert bench.push().state is PushState.VERIFIED


def test_a_database_that_is_lost_during_the_roll_back(bench: Bench, outage: Outage) -> None:
    before = bench.values()
    bench.stick("CH07:BIAS")
    bench.watcher.at["restoring, phase 2"] = outage.begin
    outcome = bench.push()
    assert (outcome.state, bench.values()) == (PushState.ROLLED_BACK, before)
    assert "CH07:BIAS_RBV holds it instead of 53.07 V" in outcome.reason
    back(bench, outage)
    assert (bench.rows()[0].state, bench.rows()[0].reason) == (PushState.ROLLED_BACK, outcome.reason)
    assert len(bench.items("rolled back")) == len(bench.targets)


def test_a_database_that_is_lost_before_anything_was_written(bench: Bench, outage: Outage) -> None:
    bench.watcher.at["reading"] = outage.begin
    outcome = bench.push()
    assert (outcome.state, bench.channels.puts) == (PushState.ABORTED, [])
    assert outcome.reason.endswith("nothing was written")
    back(bench, outage)
    assert (bench.rows()[0].state, bench.rows()[0].reason) == (PushState.ABORTED, outcome.reason)


def test_a_verified_push_whose_end_cannot_be_recorded_stays_and_is_recorded_later(bench: Bench, outage: Outage) -> None:
    finished: list[Outcome] = []
    set_end = "configtool.pushrecord.set_end"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(set_end, lambda *_: (outage.begin(), outage._fail()))
        finished.append(bench.push())
    assert (finished[0].state, bool(finished[0].unrecorded)) == (PushState.VERIFIED, True)
    assert bench.values() == {pv: target.value for target in bench.targets for pv in target.pvs}
    (line,) = back(bench, outage)
    assert "ended verified" in line
    assert bench.rows()[0].state == PushState.VERIFIED


def test_a_database_that_is_back_before_the_push_ends_has_it_at_once(bench: Bench, outage: Outage) -> None:
    bench.watcher.at["writing, phase 2"] = outage.begin
    bench.watcher.at["restoring, phase 1"] = outage.end
    outcome = bench.push()
    assert (outcome.state, outcome.unrecorded) == (PushState.ROLLED_BACK, "")
    assert bench.rows()[0].state == PushState.ROLLED_BACK
    assert not len(bench.journal)
    assert not bench.locked()


@contextmanager
def full_disk() -> Iterator[None]:
    def fail(*_: Any, **__: Any) -> Any:
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sipmdcs.spool.os.fsync", fail)
        yield


def test_with_neither_database_nor_disk_the_detector_is_rolled_back_and_nothing_false_is_said(
    bench: Bench, outage: Outage
) -> None:
    before = bench.values()
    bench.watcher.at["writing, phase 2"] = outage.begin
    expected = r"^the push ended rolled_back without a record of its end: .*the server is gone.*No space left on device"
    with full_disk(), pytest.raises(ServiceError, match=expected):
        bench.push()
    assert bench.values() == before
    outage.end()
    with bench.engine.begin() as connection:  # the client of this test lives; a client that is gone ended with its command
        connection.execute(text("UPDATE config_push SET process_started = 0"))
    outage.begin()
    (line,) = back(bench, outage)
    assert "is gone and left no record of an end; 32 values had been sent, of which 0 are recorded as rolled back" in line


def test_a_disk_that_is_full_for_a_while_keeps_the_order(bench: Bench, outage: Outage) -> None:
    disk = ExitStack()

    def lose_both() -> None:
        outage.begin()
        disk.enter_context(full_disk())

    bench.watcher.at["writing, phase 2"] = lose_both
    bench.watcher.at["restoring, phase 1"] = disk.close
    outcome = bench.push()
    assert outcome.state is PushState.ROLLED_BACK
    back(bench, outage)
    assert len(bench.items("rolled back")) == 32
    assert bench.rows()[0].state == PushState.ROLLED_BACK


def test_what_another_machine_marked_meanwhile_is_not_overwritten(bench: Bench, outage: Outage) -> None:
    bench.watcher.at["writing, phase 2"] = outage.begin
    bench.push()
    outage.lasts = False
    with bench.engine.begin() as connection:
        connection.execute(text("UPDATE config_push SET host = 'elsewhere'"))
        connection.execute(update(PushLock).values(beat_at=datetime(2025, 12, 31, tzinfo=UTC)))
    with Store(bench.engine).session() as session:
        (line,) = mark_dead_pushes(session, to_datetime(bench.clock.time_ns()))
    assert "nothing was heard of its client" in line
    assert replay(bench.engine, bench.journal, pytest.fail) == 0
    reasons = [path.read_text() for path in sorted(bench.journal.refused.glob("*.reason"))]
    assert reasons
    assert all(reason.startswith("push 1 was marked aborted meanwhile: nothing was heard") for reason in reasons)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ({}, "not an entry of the journal of pushes: 'push'"),
        ({"push": "x", "rows": {}}, "not an entry of the journal of pushes: invalid literal"),
        ({"push": 1}, "not an entry of the journal of pushes: 'rows'"),
        ({"push": 1, "rows": []}, "not an entry of the journal of pushes: 'list'"),
        ({"push": 1, "end": {"state": "done"}}, "not an entry of the journal of pushes: 'done' is not"),
        ({"push": 9, "rows": {}}, "push 9 is not in the database"),
    ],
)
def test_an_entry_that_cannot_be_done_is_set_aside_and_the_next_goes_on(
    bench: Bench, content: dict[str, Any], reason: str
) -> None:
    record = bench.record()
    bench.journal.put(content)
    end = {"state": "rolled_back", "reason": "x", "ended_at": "2026-01-01T12:34:56+00:00"}
    for _ in range(2):  # once more, as by a process that died before it could forget it
        bench.journal.put({"push": record.id, "end": end})
    lines: list[str] = []
    assert replay(bench.engine, bench.journal, lines.append) == 2
    assert lines == ["push 1 of version 1 by me ended rolled_back at 2026-01-01 12:34:56 UTC: x"]
    (found,) = bench.journal.refused.glob("*.reason")
    assert found.read_text().startswith(reason)
    (row,) = bench.rows()
    assert (row.state, row.reason, row.ended_at) == (PushState.ROLLED_BACK, "x", datetime.fromisoformat(end["ended_at"]))


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_push_that_takes_long_shows_that_it_lives(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("configtool.pushrecord.BEAT_S", 0.01)
    seen: list[int] = []
    event.listen(
        bench.engine, "before_cursor_execute", lambda *args: seen.append(1) if "UPDATE config_push_lock" in args[2] else 0
    )
    record = bench.record()
    with record.kept_alive():
        wait_until(lambda: len(seen) > 1)


def test_a_push_that_was_taken_over_while_it_waited_writes_nothing_more(
    bench: Bench, outage: Outage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("configtool.pushrecord.BEAT_S", 0.01)
    record = bench.record()
    with record.kept_alive():
        with bench.engine.begin() as connection:
            connection.execute(text("DELETE FROM config_push_lock"))
        wait_until(lambda: record._taken_over is not None)
        outage.begin()  # which makes it no less taken over
        with pytest.raises(LockLost, match="nothing more is written"):
            record._update({})


def test_of_the_step_at_which_the_database_is_lost_what_was_done_is_kept(bench: Bench, outage: Outage) -> None:
    plan = make_plan(bench.targets, dict.fromkeys((target.pv for target in bench.targets), Reading(1.0, 1.0)))
    step = next_step(begin(plan))
    assert isinstance(step, Write)
    for do, kept in ((PushRecord.writing, 0), (lambda record, step: record.wrote(step, {}), 1)):
        record = bench.record()
        record.planned(plan)
        outage.begin()
        with pytest.raises(ServiceError, match="the server is gone"):
            do(record, step)
        assert len(bench.journal) == kept
        do(record, step)
        assert len(bench.journal) == kept + 1
        outage.end()
        record.finish(PushState.ABORTED, "")
        assert not len(bench.journal)


PROGRAM = """
import os, signal, sys
from pathlib import Path
from sqlalchemy import create_engine, event
from sqlalchemy.exc import OperationalError
from configtool.layers import ChannelId
from configtool.push import carry_out
from configtool.pushlock import this_client
from configtool.pushrecord import Request
from configtool.pushrun import StopRequest
from configtool.targets import Target
from sipmdcs.channels_fake import FakeChannels
from sipmdcs.clock import SystemClock
from sipmdcs.database import make_engine
from sipmdcs.spool import Spool
engine, lost = make_engine(sys.argv[1]), []
def fail(*_):
    if lost:
        raise OperationalError("", {}, Exception("the server is gone"))
event.listen(engine, "before_cursor_execute", fail)
class Watcher:
    def step(self, text, total):
        if text.startswith(sys.argv[3]):
            lost.append(1)
        if text.startswith(sys.argv[4]):
            os.kill(os.getpid(), signal.SIGKILL)
    def advance(self, done): pass
targets = [Target(ChannelId("17", n), "HV17", "BIAS", f"A{n}:BIAS", "", 5.0, "V", 0.01, 1.0, n, 0.0, 80.0) for n in (1, 2)]
channels = FakeChannels()
for target in targets:
    channels.add(target.pv, 1.0)
request = Request(1, (), "victim", "", this_client())
world = {"watcher": Watcher(), "clock": SystemClock(), "stop": StopRequest(), "journal": Spool(Path(sys.argv[2]))}
carry_out(engine, request, targets, channels, **world)
"""


@pytest.mark.parametrize(
    ("lost_at", "killed_at", "known"),
    [
        ("never", "writing, phase 1", "no value had been sent"),
        ("never", "writing, phase 2", "1 values had been sent, of which 0 are recorded as rolled back"),
        ("writing, phase 2", "restoring, phase 1", "1 values had been sent, of which 0 are recorded as rolled back"),
        ("writing, phase 1", "verifying", "no value had been sent"),
        ("writing, phase 2", "verifying the roll-back", "1 values had been sent, of which 0 are recorded as rolled back"),
    ],
)
def test_a_push_that_is_killed_at_any_step_is_told_as_far_as_it_is_known(
    bench: Bench, outage: Outage, lost_at: str, killed_at: str, known: str
) -> None:
    url = bench.engine.url.render_as_string(hide_password=False)
    arguments = [url, str(bench.journal.folder), lost_at, killed_at]
    done = subprocess.run([sys.executable, "-c", PROGRAM, *arguments], check=False, capture_output=True, text=True)
    ended = done.returncode == 0
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    lines = back(bench, outage)
    assert len(lines) == 1
    assert ("ended aborted" if ended else known) in lines[0]
