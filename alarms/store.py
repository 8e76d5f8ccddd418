"""The database of the alarm service: states, history and incidents, written in one transaction per batch."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, bindparam, delete, func, insert, select, update
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.exc import DatabaseError, SQLAlchemyError

from alarms.database import Database
from alarms.engine import Change, Draft
from alarms.incident import Incident
from alarms.level import Level
from alarms.paging import Key, Notice, PagingDraft
from alarms.state import PvState
from alarms.state_json import from_json, to_json
from alarms.tables import history, incident, notice, pv_state
from alarms.tree import NodePath, Tree, path_text
from sipmdcs.clock import NS, Clock
from sipmdcs.errors import ServiceError

DATABASE_FILE = "alarms.sqlite"

MAX_HISTORY = 5_000_000
"""Newest changes that are kept, some 0.8 GB: a detector that flaps for a night makes more than that."""

_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)

_log = logging.getLogger(__name__)


class Store:
    """What survives ``kill -9``. Methods block; they may be called from any thread."""

    def __init__(self, path: Path, clock: Clock) -> None:
        """Open the database, made if there is none.

        Raises:
            ServiceError: it cannot be opened.
        """
        self.path = path
        self._clock = clock
        try:
            self.database = Database(path)
        except DatabaseError as err:
            if getattr(err.orig, "sqlite_errorcode", None) not in _DAMAGED:
                raise ServiceError(f"{path} cannot be opened: {err.orig}") from err
            # Alarms must work. What was acknowledged is lost, what is in alarm alarms anew.
            aside = _set_aside(path, clock)
            _log.error("%s is damaged (%s) and set aside as %s; all alarms begin anew", path, err.orig, aside.name)
            self.database = Database(path)
        except (SQLAlchemyError, OSError) as err:
            raise ServiceError(f"{path} cannot be opened: {err.__cause__ or err}") from err

    def close(self) -> None:
        """Give up all connections."""
        self.database.close()

    def states(self, tree: Tree) -> dict[str, PvState]:
        """The states that are known of PVs in ``tree``."""
        with self.database.read() as connection:
            rows = connection.execute(select(pv_state.c.pv, pv_state.c.state))
            return {pv: from_json(state, self._clock, tree.leaves[pv].rules.delay_s) for pv, state in rows if pv in tree.leaves}

    def incidents(self) -> tuple[dict[Key, Incident], int]:
        """The open incidents, and the number that the next one gets."""
        with self.database.read() as connection:
            rows = connection.execute(select(incident).where(incident.c.ended_ns.is_(None))).mappings()
            found: dict[Key, Incident] = {
                (row["route"], row["receiver"], row["pv"]): Incident(
                    row["id"], Level[row["highest"]], row["due_ns"], row["remind_ns"]
                )
                for row in rows
            }
            last = connection.execute(select(func.max(incident.c.id))).scalar()
        return found, (last or 0) + 1

    def commit(self, draft: Draft, paging: PagingDraft) -> None:
        """Write what a batch of events did, all or nothing.

        Raises:
            ServiceError: the database refuses; nothing is written.
        """
        now_ns = self._clock.time_ns()
        with self.database.write() as connection:
            self._write_states(connection, draft)
            _write_history(connection, draft.changes, now_ns)
            _write_paging(connection, paging, now_ns)

    def latest_ns(self) -> int:
        """The newest time at which anything was noted or queued; 0 for an empty database."""
        with self.database.read() as connection:
            times = [
                connection.execute(select(func.max(column))).scalar() for column in (history.c.time_ns, notice.c.queued_ns)
            ]
        return max((when for when in times if when is not None), default=0)

    def shift(self, step_ns: int) -> None:
        """The wall clock was set: what is due in a while stays so."""
        with self.database.write() as connection:
            due, remind = incident.c.due_ns + step_ns, incident.c.remind_ns + step_ns
            connection.execute(update(incident).where(incident.c.ended_ns.is_(None)).values(due_ns=due, remind_ns=remind))
            waiting = notice.c.page.is_(None) & notice.c.void_ns.is_(None)
            due, queued = notice.c.due_ns + step_ns, notice.c.queued_ns + step_ns
            connection.execute(update(notice).where(waiting).values(due_ns=due, queued_ns=queued))

    def _write_states(self, connection: Connection, draft: Draft) -> None:
        changed = {change.leaf.pv for change in draft.changes}
        rows = [{"pv": pv, "state": to_json(draft.states[pv], self._clock)} for pv in changed]
        if rows:
            write = sqlite_insert(pv_state)
            connection.execute(write.on_conflict_do_update(index_elements=["pv"], set_={"state": write.excluded.state}), rows)

    def history(
        self, *, pvs: Sequence[str] = (), path: NodePath = (), since_ns: int = 0, limit: int = 100
    ) -> list[dict[str, Any]]:
        """Changes of alarms, newest first.

        Args:
            pvs: only of these PVs.
            path: only below this node.
            since_ns: only from this time on.
            limit: at most so many.
        """
        query = select(history).where(history.c.time_ns >= since_ns).order_by(history.c.id.desc()).limit(limit)
        if pvs:
            query = query.where(history.c.pv.in_(pvs))
        if path:
            text = path_text(path)
            below = history.c.path.startswith(f"{text}/", autoescape=True)
            query = query.where((history.c.path == text) | below)
        with self.database.read() as connection:
            return [dict(row) for row in connection.execute(query).mappings()]


def _set_aside(path: Path, clock: Clock) -> Path:
    """Give a damaged database another name, its journal as well; returns the new name."""
    aside = path.with_name(f"{path.name}.damaged-{clock.time_ns() // NS}")
    for suffix in ("", "-wal", "-shm"):
        part = path.with_name(path.name + suffix)
        if part.exists():
            part.rename(aside.with_name(aside.name + suffix))
    return aside


def _write_history(connection: Connection, changes: Iterable[Change], now_ns: int) -> None:
    rows = [_history_row(change, now_ns) for change in changes if change.matters]
    if not rows:
        return
    connection.execute(insert(history), rows)
    oldest, newest = (select(of(history.c.id)).scalar_subquery() for of in (func.min, func.max))
    # A few at a time: a page waits for this transaction.
    old = (history.c.id <= newest - MAX_HISTORY) & (history.c.id < oldest + 2 * len(rows))
    connection.execute(delete(history).where(old))


def _history_row(change: Change, now_ns: int) -> dict[str, Any]:
    alarm, current = change.after.alarm, change.after.current
    return {
        "time_ns": now_ns,
        "pv": change.leaf.pv,
        "path": path_text(change.leaf.path),
        "event": change.reason.value,
        "severity": alarm.level.name,
        "previous": change.before.alarm.level.name,
        "message": alarm.message,
        "value": current.value,
        "pv_time_ns": current.time_ns,
        "current_severity": current.level.name,
        "current_message": current.message,
        "raised": change.raised,
        "annunciate": change.raised and change.leaf.rules.annunciating,
        "user": change.by.user if change.by else "",
        "comment": change.by.comment if change.by else "",
    }


def _write_paging(connection: Connection, paging: PagingDraft, now_ns: int) -> None:
    opened = [_incident_row(number, key, form) for number, (key, form) in paging.written.items()]
    if opened:
        write = sqlite_insert(incident)
        changed = {name: write.excluded[name] for name in ("highest", "due_ns", "remind_ns")}
        connection.execute(write.on_conflict_do_update(index_elements=["id"], set_=changed), opened)
    if paging.ended:
        end = update(incident).where(incident.c.id == bindparam("number")).values(ended_ns=now_ns, ended=bindparam("kind"))
        connection.execute(end, [{"number": number, "kind": kind.value} for number, kind in paging.ended.items()])
    if paging.notices:
        connection.execute(insert(notice), [notice_row(item) for item in paging.notices])


def _incident_row(number: int, key: Key, form: Incident) -> dict[str, Any]:
    route, receiver, pv = key
    row = {"id": number, "route": route, "receiver": receiver, "pv": pv}
    return row | {"highest": form.highest.name, "due_ns": form.due_ns, "remind_ns": form.remind_ns}


def notice_row(item: Notice) -> dict[str, Any]:
    """A notice as a row of its table."""
    return {
        "incident": item.incident,
        "receiver": item.receiver,
        "pv": item.pv,
        "kind": item.kind.value,
        "severity": item.level.name,
        "message": item.message,
        "value": item.value,
        "pv_time_ns": item.pv_time_ns,
        "user": item.user,
        "comment": item.comment,
        "queued_ns": item.queued_ns,
        "due_ns": item.due_ns,
    }
