"""One push at a time: who holds the lock, who has lost it, and what is said of pushes whose client is gone."""

from __future__ import annotations

import socket
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from configtool.pushlock import Client, LockLost, PushBusy, describe_holder, has_unfinished, mark_dead_pushes, this_client
from configtool.pushplan import PushState
from configtool.store import Store
from configtool.tables import Push, PushItem, PushLock
from sipmdcs.clock import to_datetime
from tests.configtool.test_push import Bench, bench

__all__ = ["bench"]


def test_one_push_at_a_time(bench: Bench) -> None:
    record = bench.record()
    with pytest.raises(PushBusy, match=r"push 1 by me is under way since .* \(process \d+ on .*\); one at a time"):
        bench.push()
    assert bench.channels.puts == []
    with Session(bench.engine) as session:
        assert has_unfinished(session)
    record.finish(PushState.ABORTED, "test")
    with Session(bench.engine) as session:
        assert not has_unfinished(session)
        # As between the refusal and the question who holds it.
        assert describe_holder(session) == "another push is just starting or ending; try again"
    assert bench.push().state is PushState.VERIFIED


def mark(bench: Bench) -> list[str]:
    with Store(bench.engine).session() as session:
        return mark_dead_pushes(session, to_datetime(bench.clock.time_ns()))


@pytest.mark.parametrize(
    ("client", "silent_s", "dead"),
    [
        (this_client(), 3600, False),
        (replace(this_client(), started=this_client().started - 0.01), 0, True),
        (Client(socket.gethostname(), 2**22 + 1, 0.0), 0, True),
        (Client("another-machine", 1, 0.0), 55, False),
        (Client("another-machine", 1, 0.0), 61, True),
    ],
    ids=[
        *("alive", "its number was given to another process", "gone"),
        *("elsewhere, quiet", "elsewhere, silent too long"),
    ],
)
def test_a_dead_client_loses_the_lock(bench: Bench, client: Client, silent_s: float, dead: bool) -> None:
    bench.record(client)
    with Session(bench.engine) as session, session.begin():
        session.scalars(select(PushLock)).one().beat_at -= timedelta(seconds=silent_s)
    bench.clock.step(0 if bench.engine.dialect.name == "sqlite" else 3600)  # of the machine that looks, not of the server
    lines = mark(bench)
    who = f"its client (process {client.pid} on {client.host})"
    here = client.host == socket.gethostname()
    known = f"{who} is gone and left no record of an end" if here else f"nothing was heard of {who} for {silent_s:.0f} s"
    reason = f"{known}; no value had been sent"
    look = "compare with: sipmdcs config diff 1 live"
    assert lines == [f"push 1 of version 1 by me is marked aborted: {reason}; {look}"] * dead
    assert bench.rows()[0].reason == (reason if dead else "")
    assert bench.locked() == (not dead)
    assert bench.rows()[0].state == ("aborted" if dead else "planned")
    assert mark(bench) == []


def _columns(row: Push | PushItem) -> dict[str, Any]:
    return {column.name: getattr(row, column.name) for column in type(row).__table__.columns if column.name != "id"}


def test_a_push_that_lives_hides_no_dead_one(bench: Bench) -> None:
    bench.record()
    with Session(bench.engine) as session, session.begin():  # whose client died after its lock had been given to the first
        alive = session.scalars(select(Push)).one()
        session.add(Push(**_columns(alive) | {"author": "victim", "process_started": alive.process_started - 0.01}))
    (line,) = mark(bench)
    assert "push 2 of version 1 by victim is marked aborted" in line
    assert [row.state for row in bench.rows()] == ["planned", "aborted"]
    assert bench.locked()


def test_a_client_that_was_taken_for_dead_writes_nothing_more(bench: Bench) -> None:
    def taken_for_dead() -> None:
        with Store(bench.engine).session() as session:
            push = session.scalars(select(Push)).one()
            push.host = "another-machine"
            session.scalars(select(PushLock)).one().beat_at -= timedelta(seconds=100)
            session.flush()
            assert mark_dead_pushes(session, to_datetime(bench.clock.time_ns()))

    bench.watcher.at["writing, phase 2"] = taken_for_dead
    with pytest.raises(LockLost, match="nothing more is written"):
        bench.push()
    assert not any(pv.endswith(":BIAS") for pv, _ in bench.channels.puts)


def test_kill_9_leaves_a_push_that_the_next_command_marks(bench: Bench) -> None:
    """A real process that is killed between the record and the put."""
    url = bench.engine.url.render_as_string(hide_password=False)
    program = f"""
import os, signal
from configtool.pushlock import this_client
from configtool.pushplan import make_plan
from configtool.pushrecord import PushRecord, Request
from configtool.pushsteps import Write, begin, next_step
from configtool.layers import ChannelId
from configtool.reading import Reading
from configtool.targets import Target
from sipmdcs.clock import SystemClock
from sipmdcs.database import make_engine
from sipmdcs.spool import Spool
from pathlib import Path
target = Target(ChannelId("17", 1), "HV17", "BIAS", "A:BIAS", "", 5.0, "V", 0.01, 1.0, 1, 0.0, 80.0)
journal = Spool(Path({str(bench.journal.folder)!r}))
record = PushRecord(make_engine({url!r}), Request(1, (), "victim", "", this_client()), SystemClock(), journal)
plan = make_plan([target], {{"A:BIAS": Reading(1.0, None)}})
record.planned(plan)
record.writing(next_step(begin(plan)))
os.kill(os.getpid(), signal.SIGKILL)
"""
    result = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True, text=True)
    assert result.returncode == -9, result.stderr
    assert (bench.rows()[0].state, bench.locked()) == ("running", True)
    with Session(bench.engine) as session, session.begin():
        sent = session.scalars(select(PushItem)).one()
        session.add(PushItem(**_columns(sent) | {"pv": "B:BIAS", "status": "rolled back"}))
    (line,) = mark(bench)
    assert line.startswith("push 1 of version 1 by victim is marked aborted: its client (process ")
    assert "; 2 values had been sent, of which 1 are recorded as rolled back; " in line
    assert line.endswith("compare with: sipmdcs config diff 1 live")
    assert bench.push().state is PushState.VERIFIED
