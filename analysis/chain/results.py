"""The end of a job: its rows, the sums of its run and the values for PVs, all in the transaction that says it is done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, update

from analysis.chain.database import insert
from analysis.chain.macro import lock_run, update_macro
from analysis.chain.outputs import queue_outputs
from analysis.chain.settings import Settings
from analysis.chain.task import Reply, Work
from analysis.outcome import Outcome
from analysis.tables import Job, Reco


@dataclass(frozen=True, slots=True)
class Finished:
    """A job and what the worker said."""

    work: Work
    reply: Reply


def store(connection: Connection, owner: str, finished: Sequence[Finished], settings: Settings, now: datetime) -> list[Work]:
    """Write what came out.

    A job that is not ours any more, because we were taken for dead, is left to its new owner.

    Returns:
        The jobs that ended now.
    """
    sums = sorted({(item.work.run, item.work.kind) for item in finished if item.work.run is not None})
    for run in sorted({run for run, _ in sums}):  # in one order everywhere, so that two services cannot wait for each other
        lock_run(connection, run)
    ended = [item for item in finished if _end(connection, owner, item, now)]
    rows = [_row(item, outcome, now) for item in ended for outcome in item.reply.outcomes]
    if rows:
        connection.execute(insert(connection, Reco), rows)
    for run, kind in sums:
        update_macro(connection, run, kind, now)
    for item in ended:
        queue_outputs(connection, item.work, item.reply.outcomes, settings, now)
    return [item.work for item in ended]


def _end(connection: Connection, owner: str, item: Finished, now: datetime) -> bool:
    error = item.reply.error
    done = connection.execute(
        update(Job)
        .where(Job.id == item.work.job, Job.owner == owner, Job.state == "running")
        .values(state="failed" if error else "done", ended_at=now, error=error)
    )
    return done.rowcount == 1


def _row(item: Finished, outcome: Outcome, now: datetime) -> dict[str, object]:
    work = item.work
    return {
        "job": work.job,
        "run": work.run,
        "channel": work.channel,
        "kind": work.kind,
        "quantity": outcome.quantity,
        "method": outcome.method,
        "value": outcome.value,
        "uncertainty": outcome.uncertainty,
        "unit": outcome.unit,
        "reason": outcome.reason,
        "quality": dict(outcome.quality),
        "code": item.reply.code,
        "analysed_at": now,
    }
