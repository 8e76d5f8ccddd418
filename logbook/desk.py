"""Where runs are opened and closed: with the database where it answers, without it where not.

The desk holds the present state in memory and on local disk. What it accepts while the database is away waits in the spool,
with the time at which it was accepted, and is done in that order when the database is back. One process has the desk of a site.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from logbook.configuration_used import configuration_at
from logbook.desk_lock import DeskLock
from logbook.logbookfile import LogbookFile
from logbook.orders import Compared, Move, Note, Opening, Order, compared, moved, opened, order_json, order_of, same_request
from logbook.orphans import Death, death, noted, owner_lives
from logbook.present import Present, read_present, write_present
from logbook.refusals import Conflict, DatabaseAway, NotThere
from logbook.requests import BeatRequest, MoveRequest, NoteRequest, OpenRequest, moment
from logbook.run import Run
from logbook.run_state import Command
from logbook.store import Store, take_waiting, with_configuration
from sipmdcs import __version__
from sipmdcs.clock import Clock, to_datetime
from sipmdcs.database import make_engine
from sipmdcs.errors import BadInput, DcsError
from sipmdcs.site import Site
from sipmdcs.spool import Spool

_log = logging.getLogger(__name__)

T = TypeVar("T")

_SILENCE_S = 10.0
"""A database that takes so long for one statement is away: a data acquisition waits for its run."""

_SEEN_EVERY = timedelta(seconds=10)
"""That a data acquisition lives is put on the disk so often, for a service that is not there when it dies."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The run that a request was about."""

    run: Run
    done: bool
    """Whether anything changed; not so if the request only repeats one."""


class Desk:
    """Takes requests of any thread, one at a time."""

    def __init__(self, file: LogbookFile, store: Store, spool: Spool, path: Path, clock: Clock) -> None:
        """Take up what was left, from ``path`` and the spool.

        Args:
            file: partitions, types and limits.
            store: the database, which need not answer.
            spool: what waits for it.
            path: file of the present state.
            clock: what time it is.
        """
        self.file = file
        self.store = store
        self.spool = spool
        self.orphans = 0
        """Runs closed because their data acquisition was dead."""
        self._path = path
        self._clock = clock
        self._lock = threading.RLock()
        self._since = clock.monotonic()
        self._noticed: dict[int, float] = {}
        """When a sign of life of an open run was noticed, by the clock that nobody sets."""
        self._alive: dict[int, datetime] = {}
        """When the process that owns a run was last found alive."""
        self._database_answers = False
        self.trouble = ""
        """Why the database does not answer, one line; empty if it does."""
        self._present = read_present(path)
        for entry in spool.entries():
            self._recall(entry.content)

    @property
    def present(self) -> Present:
        """What is known without the database."""
        return self._present

    @property
    def database_answers(self) -> bool:
        """Whether the database answered last, and nothing waits for it."""
        return self._database_answers

    # Requests ---------------------------------------------------------------------------------------------------------

    def open(self, request: OpenRequest, source: str) -> Answer:
        """Open a run; the same request again finds the same run.

        Raises:
            BadInput: the partition, the type or the time cannot be used.
            Conflict: a run of the partition is open and is not to be replaced, or the request key was used otherwise.
            ServiceError: the database is away and no run number is left.
        """
        self._check_names(request)
        with self._lock:
            at = moment(request.at, self._now())
            opening = Opening(
                number=0,
                request_key=request.request_key,
                partition=request.partition,
                type=request.type,
                at=at,
                source=source,
                who=request.who,
                software_version=__version__,
                facts=request.facts | ({"owner": noted(request.owner.model_dump())} if request.owner else {}),
            )
            self._refresh()
            if known := self._run_of_key(request.request_key):
                return Answer(same_request(known, opening), done=False)
            if newest := self._present.newest_in(request.partition):
                if request.at is not None and at < newest.changed_at:
                    raise BadInput(f"{at.isoformat()} is before run {newest.number} was {newest.state}", key="at")
                at = max(at, newest.changed_at)
                if newest.state.is_open:
                    self._make_room(newest, request, at)
            present, number = self._present.promise(request.request_key)
            self._save(present)
            return Answer(self._do(replace(opening, number=number, at=at)), done=True)

    def move(self, number: int, command: Command, request: MoveRequest, source: str) -> Answer:
        """Bring a run into another state.

        Raises:
            BadInput: the time cannot be used.
            Conflict: the run is in a state that does not allow it.
            NotThere: there is no such run.
            ServiceError: the database is away and the run is not known without it.
        """
        with self._lock:
            at = moment(request.at, self._now())
            before = self.run(number)
            if request.at is not None and at < before.changed_at and moved(before, _move(number, command, request, at, source)):
                raise BadInput(f"{at.isoformat()} is before run {number} was {before.state}", key="at")
            after = self._do(_move(number, command, request, at, source))
            return Answer(after, done=after.state is not before.state)

    def note(self, number: int, request: NoteRequest) -> Run:
        """Say something of a run; the newest remark of a field counts, the others are its history.

        Raises:
            NotThere: there is no such run.
            ServiceError: the database is away and the run is not known without it.
        """
        with self._lock:
            return self._do(Note(number=number, field=request.field, value=request.value, at=self._now(), who=request.who))

    def beat(self, number: int, request: BeatRequest) -> Run:
        """Note a sign of life.

        Raises:
            Conflict: the run is over.
            NotThere: there is no such run.
        """
        with self._lock:
            run = self.run(number)
            if not run.state.is_open:
                raise Conflict(f"run {number} is {run.state}")
            if request.events is not None and request.events != run.events:
                run = replace(run, events=request.events)
                if self._database_answers:
                    self._try(lambda: self.store.set_events(number, request.events or 0))
            self._keep(run)
            return run

    def compared(self, order: Compared) -> Run:
        """Keep how the detector compared with the configuration of a run when that started.

        Raises:
            NotThere: there is no such run.
            ServiceError: the database is away and the run is not known without it.
        """
        with self._lock:
            return self._do(order)

    def run(self, number: int) -> Run:
        """A run as it stands.

        Raises:
            NotThere: there is no such run.
            ServiceError: the database is away and the run is not known without it.
        """
        if self._database_answers:  # without the lock: who only reads waits for no writer
            found = self._try(lambda: self.store.run(number))
            if found is not None:
                return found
        with self._lock:
            return self._known(number)

    # Upkeep -----------------------------------------------------------------------------------------------------------

    def tend(self) -> None:
        """What is to be done every second: see whether the database is back, do what waited, close orphans."""
        reached = self._try(self.store.ping) is not None  # without the lock: to find out may take seconds
        with self._lock:
            self._refresh(reach=reached)
            for run in [run for run in self._present.runs.values() if run.state.is_open]:
                found = self._death(run)
                if found is not None:
                    self._abort_orphan(run, found.at, found.reason)

    def _death(self, run: Run) -> Death | None:
        """Evidence that the owner of a run is dead; that it lives is noted."""
        now = self._now()
        lives = owner_lives(run)
        if lives:
            self._alive[run.number] = now
            self._noticed[run.number] = self._clock.monotonic()
            if now - self._heard(run) > _SEEN_EVERY:
                self._save(self._present.keep(run, now))
        return death(
            run,
            heard=max(self._heard(run), self._alive.get(run.number, run.changed_at)),
            silent_s=self._clock.monotonic() - self._noticed.get(run.number, self._since),
            heartbeat_s=self.file.heartbeat_s.get(run.partition),
            lives=lives,
        )

    def _heard(self, run: Run) -> datetime:
        """The last sign of life on the disk."""
        return max(self._present.seen.get(run.number, run.changed_at), run.changed_at)

    def _refresh(self, *, reach: bool = False) -> None:
        """Bring the present state and the database together, if it answers, or if it is to be tried."""
        if self._database_answers or reach:
            self._database_answers = self._try(self._meet) is not None
            if self._database_answers:
                self.trouble = ""

    def _meet(self) -> bool:
        if self.spool:
            _log.info("the database is back: %d orders wait", len(self.spool))
            refused = set(self.spool.refused.glob("*.reason"))
            self.spool.drain(lambda entry: take_waiting(self.store, order_of(entry.content)))
            for path in sorted(set(self.spool.refused.glob("*.reason")) - refused):
                _log.error("%s: an order that waited is refused: %s", path, path.read_text("utf-8").strip())
        present = self._present
        for number in present.promised.values():
            present = self._settled(present, number)
        stored = {run.number: run for run in self.store.runs_to_watch(max(present.runs, default=None))}
        for run in stored.values():
            present = present.keep(self._counted(run))
        for number in [run.number for run in present.runs.values() if run.state.is_open and run.number not in stored]:
            try:
                present = present.keep(self.store.run(number))
            except NotThere:
                _log.error("run %d is open here and unknown to the database: it is given up", number)
                present = present.without(number)
        with self.store.begin(reading=True) as connection:
            used = configuration_at(connection, self._now())
        reserved = self.store.reserve(present.reserved, self.file.reserved_numbers)
        self._save(replace(present, reserved=reserved, configuration=used))
        return True

    def _counted(self, run: Run) -> Run:
        """With the events that were told while the database was away; they only grow."""
        known = self._present.runs.get(run.number)
        if known is None or known.events is None or known.events <= (run.events or 0) or not run.state.is_open:
            return run
        self.store.set_events(run.number, known.events)
        return replace(run, events=known.events)

    def _settled(self, present: Present, number: int) -> Present:
        """With a promised number, if its run was stored after all; else nobody gets that number."""
        try:
            return present.keep(self.store.run(number))
        except NotThere:
            return present.forget(number)

    # ------------------------------------------------------------------------------------------------------------------

    def _do(self, order: Order) -> Run:
        """Do an order in the database, or in memory if that is away."""
        if self._database_answers:
            run = self._try(lambda: self.store.do(order))
            if run is not None:
                self._keep(run)
                return run
        run = self._in_memory(order)
        if run is None:
            return self._known(order.number)
        self.spool.put(order_json(order))
        self._keep(run)
        return run

    def _in_memory(self, order: Order) -> Run | None:
        """The run after an order, ``None`` if that changes nothing."""
        match order:
            case Opening():
                return with_configuration(opened(order)[0], self._present.configuration)
            case Move():
                before = self._known(order.number)
                done = moved(before, order)
                if done is None:
                    return None
                starts = done[0].started_at is not None and before.started_at is None
                return with_configuration(done[0], self._present.configuration) if starts else done[0]
            case Note():
                return self._known(order.number)
            case Compared():
                return compared(self._known(order.number), order)

    def _recall(self, content: Mapping[str, Any]) -> None:
        """An order of the spool, which may or may not be in the present state already."""
        try:
            order = order_of(content)
            run = self._in_memory(order)
        except DcsError as err:
            _log.debug("already done, or not known here: %s", err)
            return
        if run is not None and not (isinstance(order, Opening) and order.number in self._present.runs):
            self._present = self._present.keep(run)

    def _known(self, number: int) -> Run:
        run = self._present.runs.get(number)
        if run is None:
            raise DatabaseAway(f"run {number} is not known here, and the database cannot be reached: {self.trouble}")
        return run

    def _run_of_key(self, request_key: str) -> Run | None:
        if known := self._present.of_key(request_key):
            return known
        return self._try(lambda: self.store.run_of_key(request_key)) if self._database_answers else None

    def _make_room(self, other: Run, request: OpenRequest, at: datetime) -> None:
        """Close the open run of a partition whose data acquisition opens another."""
        if not request.replace:
            raise Conflict(f"run {other.number} of partition {other.partition} is {other.state}; end or abort it first")
        found = self._death(other) or Death(at, f"{request.who} opened another run while it was {other.state}")
        self._abort_orphan(other, found.at, found.reason)

    def _abort_orphan(self, run: Run, at: datetime, reason: str) -> None:
        _log.warning("run %d of partition %s is aborted: %s", run.number, run.partition, reason)
        self.orphans += 1
        self._alive.pop(run.number, None)
        self._noticed.pop(run.number, None)
        who = "logbook service"
        self._do(Move(number=run.number, command=Command.ABORT, at=at, source="service", who=who, reason=reason, orphaned=True))

    def _try(self, work: Callable[[], T]) -> T | None:
        """What ``work`` returns; ``None`` if the database is away, which is then known."""
        try:
            return work()
        except DatabaseAway as err:
            self.trouble = str(err)
            self._database_answers = False
            return None

    def _check_names(self, request: OpenRequest) -> None:
        for key, given, known in (
            ("partition", request.partition, self.file.partitions),
            ("type", request.type, self.file.types),
        ):
            if given not in known:
                raise BadInput(f"{given!r} is not known, expected one of {', '.join(known)}", key=key)

    def _keep(self, run: Run) -> None:
        """With a run that was just heard of, which is a sign of life while it is open."""
        if run.state.is_open:
            self._noticed[run.number] = self._clock.monotonic()
        self._save(self._present.keep(run, self._now() if run.state.is_open else None))

    def _save(self, present: Present) -> None:
        if present != self._present:
            write_present(self._path, present)
            self._present = present

    def _now(self) -> datetime:
        return to_datetime(self._clock.time_ns())


def _move(number: int, command: Command, request: MoveRequest, at: datetime, source: str) -> Move:
    return Move(
        number=number,
        command=command,
        at=at,
        source=source,
        who=request.who,
        reason=request.reason,
        events=request.events,
        facts=request.facts,
    )


@contextmanager
def open_desk(site: Site, file: LogbookFile, clock: Clock) -> Iterator[Desk]:
    """The desk of a site, for this process alone.

    Raises:
        BadInput: the database URL cannot be understood.
        ServiceError: another process has it.
    """
    with DeskLock(site, clock):
        store = Store(make_engine(site.database_url, silence_s=_SILENCE_S))
        try:
            yield Desk(file, store, Spool(site.spool_folder("logbook")), site.var / "logbook" / "present.json", clock)
        finally:
            store.close()
