"""The queue in SQL: jobs are taken once, given back by whoever cannot finish them, and tried again so many times.

``queued`` → ``running`` → ``done`` or ``failed``. Functions of a transaction; two services may call any of them at the same
time (PostgreSQL: rows are locked and skipped, SQLite: one writer at a time).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, and_, case, func, select, update
from sqlalchemy.orm import aliased

from analysis.chain.database import insert
from analysis.chain.task import Work
from analysis.tables import Job, Raw


@dataclass(frozen=True, slots=True)
class Selection:
    """Which raw results; what is left ``None`` does not select."""

    run: int | None = None
    channel: str | None = None
    kind: str | None = None
    failed: bool = False
    """Only those whose newest analysis failed."""


def take(connection: Connection, owner: str, most: int, now: datetime) -> list[Work]:
    """The oldest queued jobs, now running under ``owner``."""
    columns = (Job.id, Job.attempts, Raw.path, Raw.sha256, Raw.channel, Raw.kind, Raw.run, Raw.taken_at, Raw.conditions)
    earlier = aliased(Job)
    first = ~select(earlier.id).where(earlier.raw == Job.raw, earlier.id < Job.id).exists()
    rows = connection.execute(
        select(*columns, Job.queued_at, first)
        .join(Raw, Raw.id == Job.raw)
        .where(Job.state == "queued")
        .order_by(Job.id)
        .limit(most)
        .with_for_update(skip_locked=True, of=Job)
    ).all()
    if rows:
        running = {"state": "running", "owner": owner, "attempts": Job.attempts + 1, "started_at": now, "ended_at": None}
        connection.execute(update(Job).where(Job.id.in_([row.id for row in rows])).values(running))
    return [Work(row.id, row.attempts + 1, *row[2:]) for row in rows]


def give_back(connection: Connection, owner: str, jobs: Collection[int]) -> None:
    """Queue jobs again that were taken and never begun, or ended for no fault of theirs; the attempt does not count."""
    connection.execute(
        update(Job)
        .where(Job.id.in_(jobs), Job.owner == owner, Job.state == "running")
        .values(state="queued", owner="", attempts=Job.attempts - 1)
    )


def reclaim(connection: Connection, owner: str, held: Collection[int]) -> None:
    """Queue jobs again that are marked as taken by ``owner``, who holds only ``held``; the attempt does not count.

    A database that dies while it commits may have done so, and nobody was told which jobs were taken.
    """
    connection.execute(
        update(Job)
        .where(Job.owner == owner, Job.state == "running", Job.id.not_in(held))
        .values(state="queued", owner="", attempts=Job.attempts - 1)
    )


def give_up(connection: Connection, owner: str, jobs: Collection[int] | None, reason: str, most: int, now: datetime) -> None:
    """Queue jobs again that ended with whoever ran them; those begun ``most`` times have failed.

    Args:
        connection: in a transaction.
        owner: the service that had taken them.
        jobs: which of its jobs; all if ``None``.
        reason: what happened, for those that have failed.
        most: attempts.
        now: the time.
    """
    over = Job.attempts >= most
    statement = update(Job).where(Job.owner == owner, Job.state == "running")
    if jobs is not None:
        statement = statement.where(Job.id.in_(jobs))
    connection.execute(
        statement.values(
            state=case((over, "failed"), else_="queued"),
            owner="",
            ended_at=case((over, now), else_=None),
            error=case((over, f"{reason}; begun {most} times, given up"), else_=reason),
        )
    )


def requeue(connection: Connection, selection: Selection, now: datetime) -> int:
    """Queue one more analysis of raw results that are neither queued nor running; the rows of earlier ones stay.

    Returns:
        How many.
    """
    newer = aliased(Job)
    newest = and_(Job.raw == Raw.id, ~select(newer.id).where(newer.raw == Raw.id, newer.id > Job.id).exists())
    states = ("failed",) if selection.failed else ("done", "failed")
    query = select(Raw.id).join(Job, newest).where(Job.state.in_(states)).order_by(Raw.id)
    for column, value in ((Raw.run, selection.run), (Raw.channel, selection.channel), (Raw.kind, selection.kind)):
        if value is not None:
            query = query.where(column == value)
    rows = [
        {"raw": raw, "state": "queued", "attempts": 0, "owner": "", "queued_at": now, "error": ""}
        for raw in connection.scalars(query)
    ]
    if rows:
        connection.execute(insert(connection, Job), rows)
    return len(rows)


@dataclass(frozen=True, slots=True)
class QueueState:
    """How much waits, runs and has failed."""

    queued: int
    running: int
    oldest: datetime | None
    """Since when the oldest of those waits."""
    failed: int
    """Since the time asked for, and not analysed again since."""


def queue_state(connection: Connection, failed_since: datetime) -> QueueState:
    """The queue as it stands now."""
    open_jobs: dict[str, Sequence[object]] = {
        row.state: (row.count, row.oldest)
        for row in connection.execute(
            select(Job.state, func.count().label("count"), func.min(Job.queued_at).label("oldest"))
            .where(Job.state.in_(("queued", "running")))
            .group_by(Job.state)
        )
    }
    newer = aliased(Job)
    again = select(newer.id).where(newer.raw == Job.raw, newer.id > Job.id).exists()
    failed = connection.scalar(
        select(func.count()).select_from(Job).where(Job.state == "failed", Job.ended_at >= failed_since, ~again)
    )
    times = [entry[1] for entry in open_jobs.values() if isinstance(entry[1], datetime)]
    counts = {state: int(str(entry[0])) for state, entry in open_jobs.items()}
    return QueueState(counts.get("queued", 0), counts.get("running", 0), min(times, default=None), failed or 0)
