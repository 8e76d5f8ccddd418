"""What an operation does to the tables: each in one transaction, each safe to do twice."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Engine, select
from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from sqlalchemy.orm import Session

from logbook.downtime.operation import Edit, Ending, Opening
from logbook.downtime.reading import record_of
from logbook.downtime.record import EDITABLE, MESSAGE, Record, Source, iso, text_of, value_of
from logbook.downtime.rules import Fields
from logbook.schema import upgrade
from logbook.tables import Downtime, DowntimeEdit, Run
from sipmdcs.database import database_error, for_reading
from sipmdcs.errors import BadInput


class Done(StrEnum):
    """What became of an operation."""

    OPENED = "opened"
    ENDED = "ended"
    EDITED = "edited"
    REPEATED = "repeated"
    """It had been done before; nothing was changed."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an operation, and the record as it is now."""

    done: Done
    record: Record
    text: str
    """For whoever asked, one line."""


class Conflict(BadInput):
    """Somebody else changed the record meanwhile."""


class Store:
    """The tables, made when they are first needed."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._ready = False

    def session(self, *, reading: bool = False) -> Session:
        """A session on tables that are there; one for ``reading`` waits for no writer.

        Raises:
            ServiceError: the database cannot be reached, or a newer program made it.
        """
        if not self._ready:
            upgrade(self.engine)
            self._ready = True
        return Session(for_reading(self.engine) if reading else self.engine, expire_on_commit=False)

    def apply(self, operation: Opening | Ending | Edit) -> Outcome:
        """Do it.

        Raises:
            BadInput: it cannot be done to what is there now; nothing was changed.
            Conflict: an edit of what somebody else has changed.
            ServiceError: the database failed; it may be tried again.
        """
        try:
            return self._apply(operation)
        except IntegrityError:
            # Somebody was faster, between our look and our write: the second look finds what they did.
            try:
                return self._apply(operation)
            except IntegrityError as err:
                raise BadInput(f"the database refuses it: {database_error(self.engine, err)}") from err
            except SQLAlchemyError as err:
                raise database_error(self.engine, err) from err
        except SQLAlchemyError as err:
            raise database_error(self.engine, err) from err

    def _apply(self, operation: Opening | Ending | Edit) -> Outcome:
        with self.session() as session, session.begin():
            match operation:
                case Opening():
                    return _begin(session, operation)
                case Ending():
                    return _end(session, operation)
                case Edit():
                    return _edit(session, operation)


def _begin(session: Session, operation: Opening) -> Outcome:
    same = session.scalar(select(Downtime).where(Downtime.request_key == operation.request_key))
    if same is not None:
        if same.created_at == operation.received_at:
            return Outcome(Done.OPENED, record_of(same), _opened(record_of(same)))
        return Outcome(Done.REPEATED, record_of(same), f"this was stored before: {_where(record_of(same))}")
    if operation.ended_at is None and (row := _open_row(session, operation.detector)) is not None:
        return Outcome(Done.REPEATED, record_of(row), f"{operation.detector} is down already: {_where(record_of(row))}")
    # What names no time is in the order of its arrival, whatever the clock has been set to meanwhile.
    if operation.source == Source.AUTOMATIC and operation.started_at != operation.received_at:
        _refuse_out_of_order(session, operation)
    row = Downtime(
        request_key=operation.request_key,
        detector=operation.detector,
        run=operation.run,
        subrun=operation.subrun,
        started_at=operation.started_at,
        ended_at=operation.ended_at,
        category=operation.category,
        description=operation.description,
        user=operation.user,
        source=operation.source.value,
        created_at=operation.received_at,
        revision=1,
    )
    if operation.run is None and operation.source == Source.AUTOMATIC:
        row.run = _run_before(session, operation)
    session.add(row)
    session.flush()
    record = record_of(row)
    return Outcome(Done.OPENED, record, _opened(record))


def _refuse_out_of_order(session: Session, operation: Opening) -> None:
    later = session.scalar(
        select(Downtime)
        .where(Downtime.detector == operation.detector, Downtime.source == Source.AUTOMATIC.value)
        .where(Downtime.ended_at > operation.started_at)
        .order_by(Downtime.ended_at.desc())
        .limit(1)
    )
    if later is not None:
        raise BadInput(
            f"stop of {operation.detector} at {iso(operation.started_at)} is out of order: {_where(record_of(later))}; "
            "nothing was stored"
        )


def _run_before(session: Session, operation: Opening) -> int | None:
    runs = select(Run.number).where(Run.opened_at <= operation.started_at).order_by(Run.opened_at.desc(), Run.number.desc())
    if operation.partitions:
        runs = runs.where(Run.partition.in_(operation.partitions))
    return session.scalar(runs.limit(1))


def _end(session: Session, operation: Ending) -> Outcome:
    row = _open_row(session, operation.detector)
    if row is None:
        return _ended_before(session, operation)
    ended_at = operation.ended_at
    if ended_at < row.started_at:
        if ended_at != operation.received_at:
            raise BadInput(
                f"start of {operation.detector} at {iso(ended_at)} is out of order: {_where(record_of(row))}; "
                "nothing was stored"
            )
        ended_at = row.started_at  # it names no time, and the clock was set back
    _change(session, row, {"ended_at": ended_at}, MESSAGE, operation.received_at)
    session.flush()
    return _ended(record_of(row))


def _ended(record: Record) -> Outcome:
    since = "" if record.ended_at is None else f" since {iso(record.ended_at)}"
    return Outcome(Done.ENDED, record, f"{record.detector} is up{since}: {record.name} has ended")


def _ended_before(session: Session, operation: Ending) -> Outcome:
    of_detector = select(Downtime).where(Downtime.detector == operation.detector).order_by(Downtime.id.desc()).limit(1)
    ours = (DowntimeEdit.field == "ended_at", DowntimeEdit.who == MESSAGE, DowntimeEdit.at == operation.received_at)
    row = session.scalar(of_detector.join(DowntimeEdit, DowntimeEdit.downtime == Downtime.id).where(*ours))
    if row is not None:
        return _ended(record_of(row))
    row = session.scalar(of_detector.where(Downtime.ended_at == operation.ended_at))
    if row is None:
        raise BadInput(
            f"{operation.detector} has no open downtime that could end at {iso(operation.ended_at)}; nothing was stored"
        )
    record = record_of(row)
    return Outcome(Done.REPEATED, record, f"{operation.detector} is up already: {_where(record)}")


def _edit(session: Session, operation: Edit) -> Outcome:
    row = session.scalar(select(Downtime).where(Downtime.request_key == operation.request_key).with_for_update())
    if row is None:
        raise BadInput("the downtime to edit is not in the database")
    record = record_of(row)
    since = session.scalars(
        select(DowntimeEdit).where(DowntimeEdit.downtime == row.id, DowntimeEdit.revision > operation.revision)
    ).all()
    ours = {step.field: step.after for step in since if step.who == operation.who and step.at == operation.at}
    if ours and ours == operation.changes:
        return Outcome(Done.EDITED, record, f"{record.name} is changed")
    for step in since:
        # The end that a message brings while somebody explains is no quarrel, unless they changed the end themselves.
        if step.who != MESSAGE or step.field in operation.changes:
            raise Conflict(
                f"{record.name} was changed by {step.who} at {iso(step.at)} ({step.field}: {step.before!r} to {step.after!r}); "
                "look at it again before you change it"
            )
    changes = {name: value_of(name, text) for name, text in operation.changes.items()}
    if "detector" in changes or ("ended_at" in changes and changes["ended_at"] is None):
        _refuse_second_open(session, row, changes)
    _change(session, row, changes, operation.who, operation.at)
    if row.ended_at is not None and row.ended_at < row.started_at:
        raise BadInput(f"{record.name} would end at {iso(row.ended_at)}, before its start at {iso(row.started_at)}")
    session.flush()
    return Outcome(Done.EDITED, record_of(row), f"{record.name} is changed")


def _refuse_second_open(session: Session, row: Downtime, changes: dict[str, Any]) -> None:
    if changes.get("ended_at", row.ended_at) is not None:
        return
    other = _open_row(session, changes.get("detector", row.detector))
    if other is not None and other.id != row.id:
        raise BadInput(f"{other.detector} is down already: {_where(record_of(other))}")


def _change(session: Session, row: Downtime, changes: dict[str, Any], who: str, at: datetime) -> None:
    revision = row.revision + 1
    for field in EDITABLE:
        if field in changes and (before := getattr(row, field)) != changes[field]:
            step = DowntimeEdit(downtime=row.id, revision=revision, at=at, who=who, field=field)
            step.before, step.after = text_of(before), text_of(changes[field])
            session.add(step)
            setattr(row, field, changes[field])
            row.revision = revision


def _open_row(session: Session, detector: str) -> Downtime | None:
    rows = select(Downtime).where(Downtime.detector == detector, Downtime.ended_at.is_(None))
    return session.scalar(rows.with_for_update())


def _opened(record: Record) -> str:
    if record.ended_at is not None:
        return f"{record.name} is stored: {_where(record)}"
    return f"{record.detector} is down since {iso(record.started_at)}: {record.name}{_run(record)}"


def _where(record: Record) -> str:
    end = f"to {iso(record.ended_at)}" if record.ended_at else "still open"
    return f"{record.name}, {record.detector} from {iso(record.started_at)} {end}{_run(record)}, {record.category}"


def _run(record: Fields) -> str:
    if record.run is None:
        return ""
    return f", run {record.run}" + (f"/{record.subrun}" if record.subrun is not None else "")
