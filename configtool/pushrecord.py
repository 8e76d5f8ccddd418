"""What a push does, written to SQL before it does it. Every method is a transaction of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Engine, bindparam, insert, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from configtool.pushlock import Client, keep_lock, release_lock, take_lock
from configtool.pushplan import Plan, PushState
from configtool.pushsteps import Check, Failure, Write
from configtool.reading import Reading
from configtool.tables import Push, PushItem
from sipmdcs.clock import Clock, to_datetime
from sipmdcs.database import database_error


@dataclass(frozen=True, slots=True)
class Request:
    """Who pushes what, and why."""

    version: int
    only: tuple[str, ...]
    author: str
    message: str
    client: Client


class PushRecord:
    """The record of one push, and its lock."""

    def __init__(self, engine: Engine, request: Request, clock: Clock) -> None:
        """Take the lock and open the record.

        Raises:
            PushBusy: another push is under way.
            ServiceError: the database does not work.
        """
        self._engine = engine
        self._clock = clock
        with self._transaction() as session:
            push = Push(
                version_id=request.version,
                only=" ".join(request.only),
                state=PushState.PLANNED,
                author=request.author,
                message=request.message,
                reason="",
                host=request.client.host,
                pid=request.client.pid,
                process_started=request.client.started,
                started_at=self._now(),
            )
            session.add(push)
            session.flush()
            self.id = push.id
            take_lock(session, self.id, self._now())

    def _now(self) -> datetime:
        return to_datetime(self._clock.time_ns()).astimezone(UTC)

    @contextmanager
    def _transaction(self) -> Iterator[Session]:
        try:
            with Session(self._engine) as session, session.begin():
                yield session
        except SQLAlchemyError as err:
            raise database_error(self._engine, err) from err

    def beat(self) -> None:
        """Show that the client lives.

        Raises:
            LockLost: another client took the push for dead.
        """
        with self._transaction() as session:
            keep_lock(session, self.id, self._now())

    def planned(self, plan: Plan) -> None:
        """All values with what was there before; the push is running from here on."""
        rows = [
            {
                "push_id": self.id,
                "pv": item.target.pv,
                "channel": str(item.target.channel),
                "parameter": item.target.parameter,
                "phase": item.target.phase,
                "readback_pv": item.target.readback,
                "target": item.target.value,
                "tolerance": item.target.tolerance,
                "before": item.before.setpoint,
                "before_readback": item.before.readback,
                "status": "planned" if item.write else "equal",
                "error": "",
            }
            for item in plan.items
        ]
        with self._transaction() as session:
            keep_lock(session, self.id, self._now())
            if rows:
                session.execute(insert(PushItem), rows)
            session.execute(update(Push).where(Push.id == self.id).values(state=PushState.RUNNING))

    def writing(self, step: Write) -> None:
        """Values that are about to be put."""
        status = "restoring" if step.restoring else "writing"
        now = self._now()
        self._update({pv: {"status": status, "written_at": now} for pv in step.puts})

    def wrote(self, step: Write, failures: Mapping[str, Failure]) -> None:
        """What became of the puts."""
        done = "restored" if step.restoring else "written"
        self._update(
            {
                pv: {"status": "failed", "error": failures[pv].message} if pv in failures else {"status": done}
                for pv in step.puts
            }
        )

    def checked(self, step: Check, readings: Mapping[str, Reading], mismatches: Mapping[str, str]) -> None:
        """What was read back."""
        now = self._now()
        good, bad = ("rolled back", "not rolled back") if step.restoring else ("verified", "differs")
        rows: dict[str, dict[str, object]] = {}
        for item in step.items:
            pv = item.target.pv
            found = readings[pv]
            rows[pv] = {"after": found.setpoint, "after_readback": found.readback, "checked_at": now}
            rows[pv]["status"] = bad if pv in mismatches else good
            if pv in mismatches:
                rows[pv]["error"] = mismatches[pv]
        self._update(rows)

    def _update(self, rows: Mapping[str, Mapping[str, object]]) -> None:
        """Set columns of items; rows that set the same columns go in one statement."""
        by_columns: dict[tuple[str, ...], list[dict[str, object]]] = {}
        for pv, values in rows.items():
            by_columns.setdefault(tuple(sorted(values)), []).append({"of_pv": pv, **{f"new_{k}": v for k, v in values.items()}})
        table = PushItem.__table__
        with self._transaction() as session:
            keep_lock(session, self.id, self._now())
            for columns, batch in by_columns.items():
                query = (
                    update(table)  # type: ignore[arg-type]
                    .where(table.c.push_id == self.id, table.c.pv == bindparam("of_pv"))
                    .values({column: bindparam(f"new_{column}") for column in columns})
                )
                session.connection().execute(query, batch)

    def finish(self, state: PushState, reason: str) -> None:
        """Close the record and release the lock."""
        with self._transaction() as session:
            keep_lock(session, self.id, self._now())
            session.execute(update(Push).where(Push.id == self.id).values(state=state, reason=reason, ended_at=self._now()))
            release_lock(session, self.id)
