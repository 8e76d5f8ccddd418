"""What SQL holds of a push, from before its first step to its end; and what whoever watches it is told."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from configtool.pushlock import LockLost, PushBusy, describe_holder, keep_lock
from configtool.pushplan import PushState, make_plan
from configtool.pushrecord import PushRecord
from configtool.reading import Reading
from configtool.tables import Push, PushItem, PushLock
from sipmdcs.clock import to_datetime
from sipmdcs.severity import Severity, Status
from tests.configtool.test_push import Bench, bench
from tests.configtool.test_pushlock import mark

__all__ = ["bench"]


@pytest.fixture
def engine(sqlite: Engine) -> Engine:
    """One kind of database is enough here."""
    return sqlite


def rows_of(bench: Bench, table: type[Push | PushItem], *names: str) -> list[tuple[Any, ...]]:
    with Session(bench.engine) as session:
        return [tuple(getattr(row, name) for name in names) for row in session.scalars(select(table))]


def test_who_pushes_what_is_there_from_the_start(bench: Bench) -> None:
    request = replace(bench.request(), only=("HV17", "*:BIAS"))
    PushRecord(bench.engine, request, bench.clock, bench.journal)
    client = request.client
    names = ("version_id", "only", "state", "author", "message", "reason", "host", "pid", "process_started", "started_at")
    assert rows_of(bench, Push, *names) == [
        (
            *(1, "HV17 *:BIAS", "planned", "me", "test", "", client.host, client.pid, client.started),
            to_datetime(bench.clock.time_ns()),
        )
    ]


def test_all_values_are_there_with_what_was_before(bench: Bench) -> None:
    first, second = bench.targets[0], bench.targets[-1]
    before = {first.pv: Reading(first.value, None), second.pv: Reading(1.5, 2.5)}
    record = bench.record()
    bench.clock.advance(5)
    record.planned(make_plan([first, second], before))
    expected = [
        (1, one.pv, str(one.channel), one.parameter, one.phase, one.readback, one.value, one.tolerance, *rest, "")
        for one, rest in ((first, (first.value, None, "equal")), (second, (1.5, 2.5, "planned")))
    ]
    names = ("push_id", "pv", "channel", "parameter", "phase", "readback_pv", "target", "tolerance", "before")
    assert rows_of(bench, PushItem, *names, "before_readback", "status", "error") == expected
    with Session(bench.engine) as session:
        assert [lock.beat_at for lock in session.scalars(select(PushLock))] == [to_datetime(bench.clock.time_ns())]
    assert rows_of(bench, Push, "state") == [("running",)]


def test_every_step_of_a_value_is_there_before_the_next(bench: Bench) -> None:
    """One that is written, does not follow, and is put back."""
    pv = bench.pv("CH07:BIAS")
    refused = bench.pv("CH08:BIAS")
    seen: list[str] = []

    def look() -> None:
        with Session(bench.engine) as session:
            status = session.scalar(select(PushItem.status).where(PushItem.pv == pv))
        if status and seen[-1:] != [status]:
            seen.append(status)

    bench.channels.on_put(pv, lambda _value: look())
    bench.polled.append(f"{pv}_RBV")
    for name in ("writing", "verifying", "restoring"):
        bench.watcher.at[name] = look
    outcome = bench.push()
    look()
    assert outcome.state is PushState.ROLLED_BACK
    assert seen == ["planned", "writing", "written", "differs", "restoring", "restored", "rolled back"]
    names = ("error", "after", "after_readback", "written_at", "checked_at", "status")
    (found,) = [row[1:] for row in rows_of(bench, PushItem, "pv", *names) if row[0] == pv]
    error, after, after_readback, written_at, checked_at, _ = found
    assert error == f"{pv}: clamped to 1.00 V: {pv}_RBV holds it instead of 53.07 V"
    assert (after, after_readback) == (1.0, 1.0)
    assert to_datetime(bench.clock.time_ns()) >= checked_at >= written_at > rows_of(bench, Push, "started_at")[0][0]
    bench.channels.refuse(refused, "interlocked")
    bench.watcher.at.clear()
    bench.watcher.at["reading"] = lambda: bench.channels.refuse(refused, None)
    bench.watcher.at["writing, phase 2"] = lambda: bench.channels.refuse(refused, "interlocked")
    bench.push()
    rows = rows_of(bench, PushItem, "push_id", "pv", "status", "error")
    assert (2, refused, "failed", f"{refused}: interlocked") in rows


def test_a_readback_that_is_no_number_is_no_value(bench: Bench) -> None:
    pv = bench.pv("CH07:BIAS")

    def spoil() -> None:
        if bench.watcher.steps.count("verifying") == 2:
            bench.channels.set(f"{pv}_RBV", 53.07, severity=Severity.INVALID, status=Status.COMM)

    bench.watcher.at["verifying"] = spoil
    assert bench.push().state is not PushState.VERIFIED


def test_whoever_watches_is_told_how_far_it_is(bench: Bench) -> None:
    told: list[tuple[str, int] | int] = []
    bench.watcher.step = lambda text, total: told.append((text, total))  # type: ignore[method-assign]
    bench.watcher.advance = told.append  # type: ignore[method-assign]
    bench.push()
    assert told == [
        *(("reading", 48), 48, ("writing, phase 1", 32), 32, ("verifying", 32), 32),
        *(("writing, phase 2", 16), 16, ("verifying", 16), 16, ("verifying", 48), 48),
    ]
    told.clear()
    bench.push()
    assert told == [("reading", 48), 48, ("verifying", 48), 48]
    told.clear()
    bench.channels.set(bench.pv("CH01:BIAS"), 50.0)
    bench.channels.set(bench.pv("CH02:BIAS"), 50.0)
    bench.channels.on_put(bench.pv("CH01:BIAS"), lambda _: bench.channels.refuse(bench.pv("CH02:BIAS"), "interlocked"))
    bench.push()
    refused = [("reading", 48), 48, ("writing, phase 2", 2), 1, ("restoring, phase 2", 1)]
    assert told[:5] == refused, "what was refused is not put back"


def test_a_value_that_does_not_follow_is_not_counted(bench: Bench) -> None:
    told: list[tuple[str, int] | int] = []
    bench.watcher.step = lambda text, total: told.append((text, total))  # type: ignore[method-assign]
    bench.watcher.advance = told.append  # type: ignore[method-assign]
    bench.stick("CH07:BIAS")
    bench.push()
    counted = told[told.index(("verifying", 16)) + 1 : told.index(("restoring, phase 2", 16))]
    assert set(counted) == {15}


def test_one_that_was_silent_for_too_long_is_told_so(bench: Bench) -> None:
    record = bench.record()
    assert mark(bench) == []
    with Session(bench.engine) as session:
        holder = describe_holder(session)
        assert holder.startswith("push 1 by me is under way since 2026-01-01 00:00:00 UTC (process ")
        for row in session.scalars(select(PushLock)):
            session.delete(row)
        session.flush()
        assert describe_holder(session) == "another push is just starting or ending; try again"
        expected = "^push 1 was silent for so long that another client took it for dead; nothing more is written$"
        with pytest.raises(LockLost, match=expected):
            keep_lock(session, record.id, to_datetime(0))


def test_a_dead_push_is_marked_behind_one_that_lives(bench: Bench) -> None:
    bench.record()
    with Session(bench.engine) as session, session.begin():
        alive = session.scalars(select(Push)).one()
        facts = {column.name: getattr(alive, column.name) for column in Push.__table__.columns if column.name != "id"}
        session.add(Push(**facts))
    (line,) = mark(bench)
    assert line.startswith("push 2 of version 1 by me is marked aborted: ")
    assert rows_of(bench, Push, "state") == [("planned",), ("aborted",)]
    with pytest.raises(PushBusy, match=r"^push 1 by me is under way"):
        bench.push()


def test_a_second_interruption_while_the_end_is_recorded_is_late(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    finish, calls = PushRecord.finish, [1]

    def interrupted(record: PushRecord, state: PushState, reason: str) -> None:
        if calls:
            calls.clear()
            raise KeyboardInterrupt
        finish(record, state, reason)

    monkeypatch.setattr(PushRecord, "finish", interrupted)
    assert bench.push().state is PushState.VERIFIED
    assert rows_of(bench, Push, "state") == [("verified",)]


def test_a_lock_that_is_lost_at_the_end_or_before_the_start_of_writing_is_told(bench: Bench) -> None:
    def lose() -> None:
        with Session(bench.engine) as session, session.begin():
            for lock in session.scalars(select(PushLock)):
                session.delete(lock)

    record = bench.record()
    lose()
    with pytest.raises(LockLost, match=r"^push 1 was silent"):
        record.finish(PushState.VERIFIED, "")
    assert rows_of(bench, Push, "state") == [("planned",)]
    bench.watcher.at["reading"] = lose
    with pytest.raises(LockLost, match=r"^push 2 was silent"):
        bench.push()
    assert bench.channels.puts == []


def test_the_heart_beats_as_long_as_the_push(bench: Bench) -> None:
    def hearts() -> list[bool]:
        return [thread.daemon for thread in threading.enumerate() if thread.name == "push heartbeat"]

    with bench.record().kept_alive():
        assert hearts() == [True], "it keeps no process from ending"
    assert hearts() == []
