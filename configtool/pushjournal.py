"""What a push did while the database was away: kept on the disk in order, and done in the database when it is back.

The journal belongs to the site folder of the machine that pushes. An entry is one of

    {"push": 7, "rows": {PV: {column: value}}}
    {"push": 7, "end": {"state": …, "reason": …, "ended_at": …}}
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Engine, bindparam, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from configtool.pushlock import release_lock
from configtool.pushplan import PushState
from configtool.tables import Push, PushItem
from sipmdcs.database import database_error
from sipmdcs.errors import BadInput, ServiceError
from sipmdcs.spool import Entry, Spool

Rows = Mapping[str, Mapping[str, object]]
"""Columns of items by setpoint PV."""

_TIMES = ("written_at", "checked_at")


class Journal:
    """Entries of one push. Where the disk does not take them either, they are kept in memory and tried again with the next."""

    def __init__(self, spool: Spool) -> None:
        self.spool = spool
        self._unwritten: list[dict[str, Any]] = []

    def put(self, content: dict[str, Any]) -> str:
        """Keep an entry; why it is in memory alone, empty if the disk has it."""
        self._unwritten.append(content)
        try:
            while self._unwritten:
                self.spool.put(self._unwritten[0])
                del self._unwritten[0]
        except ServiceError as err:
            return str(err)
        return ""


def rows_entry(push: int, rows: Rows) -> dict[str, Any]:
    """Columns of items that were to be set."""
    plain = {pv: {name: _plain(value) for name, value in columns.items()} for pv, columns in rows.items()}
    return {"push": push, "rows": plain}


def end_entry(push: int, state: PushState, reason: str, ended_at: datetime) -> dict[str, Any]:
    """How a push ended."""
    return {"push": push, "end": {"state": str(state), "reason": reason, "ended_at": ended_at.isoformat()}}


def set_rows(session: Session, push: int, rows: Rows) -> None:
    """Set columns of items; rows that set the same columns go in one statement."""
    by_columns: dict[tuple[str, ...], list[dict[str, object]]] = {}
    for pv, values in rows.items():
        by_columns.setdefault(tuple(values), []).append({"of_pv": pv, **{f"new_{k}": v for k, v in values.items()}})
    table = PushItem.__table__
    for columns, batch in by_columns.items():
        query = (
            update(table)  # type: ignore[arg-type]
            .where(table.c.push_id == push, table.c.pv == bindparam("of_pv"))
            .values({column: bindparam(f"new_{column}") for column in columns})
        )
        session.connection().execute(query, batch)


def set_end(session: Session, push: int, state: PushState, reason: str, ended_at: datetime) -> None:
    """Close a push and release its lock."""
    session.execute(update(Push).where(Push.id == push).values(state=state, reason=reason, ended_at=ended_at))
    release_lock(session, push)


def replay(engine: Engine, spool: Spool, tell: Callable[[str], None]) -> int:
    """Do in the database what waits for it, each entry in a transaction of its own.

    Args:
        engine: of the database.
        spool: the journal.
        tell: is given one line for the user about each push whose end is recorded only now.

    Returns:
        How many entries were done.

    Raises:
        ServiceError: the database cannot be reached; what is left waits.
    """

    def take(entry: Entry) -> None:
        try:
            with Session(engine) as session, session.begin():
                line = _take(session, entry.content)
        except SQLAlchemyError as err:
            raise database_error(engine, err) from err
        if line:
            tell(line)

    return spool.drain(take)


@dataclass(frozen=True, slots=True)
class _End:
    """How a push ended."""

    state: PushState
    reason: str
    ended_at: datetime


def _parse(content: Mapping[str, Any]) -> tuple[int, Rows | _End]:
    try:
        number = int(content["push"])
        if "end" in content:
            end = content["end"]
            return number, _End(PushState(end["state"]), str(end["reason"]), datetime.fromisoformat(end["ended_at"]))
        rows = content["rows"].items()
        return number, {pv: {name: _time(name, value) for name, value in columns.items()} for pv, columns in rows}
    except (LookupError, TypeError, ValueError, AttributeError) as err:
        raise BadInput(f"not an entry of the journal of pushes: {err}") from err


def _take(session: Session, content: Mapping[str, Any]) -> str:
    """Do an entry; a line for the user if it is the end of a push."""
    number, what = _parse(content)
    push = session.get(Push, number)
    if push is None:
        raise BadInput(f"push {number} is not in the database")
    if push.ended_at is not None:
        if isinstance(what, _End) and (push.state, push.reason) == (what.state, what.reason):
            return ""  # done before, by a process that died before it could forget the entry
        raise BadInput(f"push {number} was marked {push.state} meanwhile: {push.reason}")
    if not isinstance(what, _End):
        set_rows(session, number, what)
        return ""
    set_end(session, number, what.state, what.reason, what.ended_at)
    ended = f"push {number} of version {push.version_id} by {push.author} ended {what.state}"
    return f"{ended} at {what.ended_at:%Y-%m-%d %H:%M:%S} UTC{f': {what.reason}' if what.reason else ''}"


def _plain(value: object) -> object:
    return value.isoformat() if isinstance(value, datetime) else value


def _time(name: str, value: Any) -> object:
    return datetime.fromisoformat(value) if name in _TIMES and value is not None else value
