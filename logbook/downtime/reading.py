"""Downtimes out of SQL: for lists, windows and whoever else only reads. The session may be one that cannot write."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from logbook.downtime.record import Record, Source, Step
from logbook.downtime.selection import Selection
from logbook.tables import Downtime, DowntimeEdit


def read_downtimes(session: Session, selection: Selection) -> list[Record]:
    """Those that the cuts leave, the unexplained first, then the newest first."""
    return [record_of(row) for row in session.scalars(selection.statement())]


def read_downtime(session: Session, event: int) -> Record | None:
    """One by its event id."""
    row = session.get(Downtime, event)
    return None if row is None else record_of(row)


def find_downtime(session: Session, request_key: str) -> Record | None:
    """One by the key of the request that made it."""
    row = session.scalar(select(Downtime).where(Downtime.request_key == request_key))
    return None if row is None else record_of(row)


def open_downtime(session: Session, detector: str) -> Record | None:
    """The one that goes on."""
    row = session.scalar(select(Downtime).where(Downtime.detector == detector, Downtime.ended_at.is_(None)))
    return None if row is None else record_of(row)


def read_history(session: Session, event: int) -> list[Step]:
    """Every change of one downtime, oldest first."""
    rows = session.scalars(select(DowntimeEdit).where(DowntimeEdit.downtime == event).order_by(DowntimeEdit.id))
    return [Step(row.revision, row.at, row.who, row.field, row.before, row.after) for row in rows]


def record_of(row: Downtime) -> Record:
    """A row as the value that outlives its session."""
    return Record(
        id=row.id,
        request_key=row.request_key,
        detector=row.detector,
        run=row.run,
        subrun=row.subrun,
        started_at=row.started_at,
        ended_at=row.ended_at,
        category=row.category,
        description=row.description,
        user=row.user,
        source=Source(row.source),
        created_at=row.created_at,
        revision=row.revision,
    )
