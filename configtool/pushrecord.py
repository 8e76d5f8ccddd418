"""What a push does, written to SQL before it does it; to the journal on the disk once the database is lost.

Every method is a transaction of its own. The first that loses the database raises ``ServiceError``, so that the push rolls
back; from then on everything goes to the journal, and only ``LockLost`` is raised.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Engine, insert, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from configtool.pushjournal import Journal, Rows, end_entry, replay, rows_entry, set_end, set_rows
from configtool.pushlock import Client, LockLost, keep_lock, take_lock
from configtool.pushplan import Plan, PushState
from configtool.pushsteps import Check, Failure, Write
from configtool.reading import Reading
from configtool.tables import Push, PushItem
from sipmdcs.clock import Clock, to_datetime
from sipmdcs.database import database_error
from sipmdcs.errors import ServiceError
from sipmdcs.spool import Spool

BEAT_S = 2.0
"""How often a push shows that its client lives, whatever takes long."""


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

    def __init__(self, engine: Engine, request: Request, clock: Clock, journal: Spool) -> None:
        """Take the lock and open the record.

        Args:
            engine: of the database.
            request: the push.
            clock: the time.
            journal: keeps what the database does not take.

        Raises:
            PushBusy: another push is under way.
            ServiceError: the database does not work.
        """
        self._engine = engine
        self._clock = clock
        self._journal = Journal(journal)
        self.lost = ""
        """Why the database does not take the record any more; empty if it does."""
        self._taken_over: LockLost | None = None
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

    @contextmanager
    def kept_alive(self) -> Iterator[None]:
        """Beat every ``BEAT_S`` seconds in a thread of its own while the block runs."""
        ended = threading.Event()

        def beat() -> None:
            while not ended.wait(BEAT_S) and self._taken_over is None:
                self._beat()

        thread = threading.Thread(target=beat, name="push heartbeat", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    def _beat(self) -> None:
        try:
            with self._transaction() as session:
                keep_lock(session, self.id, self._now())
        except LockLost as err:
            self._taken_over = err  # for the next step: only that may stop the push
        except ServiceError:
            pass  # a step finds that out; the database may come back

    def planned(self, plan: Plan) -> None:
        """All values with what was there before; the push is running from here on.

        Raises:
            LockLost: another client took the push for dead.
            ServiceError: the database does not work.
        """
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
        self._update({pv: {"status": status, "written_at": now} for pv in step.puts}, done=False)

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

    def _update(self, rows: Rows, *, done: bool = True) -> None:
        """Set columns of items.

        Args:
            rows: by PV.
            done: whether they say what has happened; if not, that is not done where the database is lost now.
        """
        if self._taken_over is not None:
            raise self._taken_over
        if not self.lost:
            try:
                with self._transaction() as session:
                    keep_lock(session, self.id, self._now())
                    set_rows(session, self.id, rows)
                return
            except LockLost:
                raise
            except ServiceError as err:
                self.lost = str(err)
                if done:
                    self._journal.put(rows_entry(self.id, rows))
                raise
        self._journal.put(rows_entry(self.id, rows))

    def finish(self, state: PushState, reason: str) -> None:
        """Close the record and release the lock.

        If the database is away, that is kept on the disk; ``lost`` then says why it is not in the database.

        Raises:
            LockLost: another client took the push for dead.
            ServiceError: neither database nor disk take it.
        """
        if not self.lost:
            try:
                with self._transaction() as session:
                    keep_lock(session, self.id, self._now())
                    set_end(session, self.id, state, reason, self._now())
                return
            except LockLost:
                raise
            except ServiceError as err:
                self.lost = str(err)
        if trouble := self._journal.put(end_entry(self.id, state, reason, self._now())):
            raise ServiceError(f"the push ended {state} without a record of its end: {self.lost}; {trouble}")
        with suppress(ServiceError):  # it may be back already
            replay(self._engine, self._journal.spool, lambda _line: None)
            if not len(self._journal.spool):
                self.lost = ""
