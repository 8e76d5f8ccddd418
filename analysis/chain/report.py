"""What the database and the raw folder say of the analysis, for the command line; the service need not run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, func, select
from sqlalchemy.orm import aliased

from analysis.chain.intake import waiting
from analysis.chain.queue import Selection, requeue
from analysis.schema import upgrade
from analysis.tables import Job, Output, Raw
from sipmdcs.clock import SystemClock, to_datetime
from sipmdcs.database import for_reading, make_engine, transaction
from sipmdcs.site import Site

_MOST_LINES = 20


def report(site: Site) -> dict[str, Any]:
    """Counts, and the newest failures and values that could not be put, at most twenty of each.

    Raises:
        ServiceError: the database does not work.
    """
    with _database(site) as engine, transaction(for_reading(engine)) as connection:
        counts = {row.state: row.count for row in connection.execute(_by_state())}
        failures, failed = _failures(connection)
        values = connection.execute(
            select(Output.pv, Output.value, Output.error).where(Output.put_at.is_(None)).order_by(Output.queued_at.desc())
        ).all()
    refused = site.raw_folder / "refused"
    return {
        "inbox": len(waiting(site.raw_folder)),
        "refused": len(list(refused.glob("*.reason"))),
        **{state: counts.get(state, 0) for state in ("queued", "running", "done")},
        "failed": failed,
        "unpublished": len(values),
        "failures": failures,
        "values": [row._asdict() for row in values[:_MOST_LINES]],
    }


def queue_again(site: Site, selection: Selection) -> int:
    """Queue one more analysis of the raw results selected; how many.

    Raises:
        ServiceError: the database does not work.
    """
    with _database(site) as engine, transaction(engine) as connection:
        return requeue(connection, selection, _now())


@contextmanager
def _database(site: Site) -> Iterator[Engine]:
    engine = make_engine(site.database_url)
    try:
        upgrade(engine)
        yield engine
    finally:
        engine.dispose()


def _by_state() -> Any:
    return select(Job.state, func.count().label("count")).group_by(Job.state)


def _failures(connection: Connection) -> tuple[list[dict[str, Any]], int]:
    newer = aliased(Job)
    again = select(newer.id).where(newer.raw == Job.raw, newer.id > Job.id).exists()
    query = (
        select(Job.id.label("job"), Raw.kind, Raw.channel, Raw.run, Job.error)
        .join(Raw, Raw.id == Job.raw)
        .where(Job.state == "failed", ~again)
        .order_by(Job.id.desc())
    )
    rows = connection.execute(query).all()
    return [row._asdict() for row in rows[:_MOST_LINES]], len(rows)


def _now() -> datetime:
    return to_datetime(SystemClock().time_ns())
