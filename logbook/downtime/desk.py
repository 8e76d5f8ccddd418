"""What commands, terminal and windows do to downtimes, checked and logged; where all the parts of the logger come together."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Self, TypeVar

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from logbook.downtime.call import Call
from logbook.downtime.file import DowntimeFile, partitions_of_runs, read_downtime_file
from logbook.downtime.journal import Journal, Waiting
from logbook.downtime.logfile import LogFile
from logbook.downtime.moment import parse_cut
from logbook.downtime.operation import Edit, Ending, Opening
from logbook.downtime.patience import within
from logbook.downtime.reading import find_downtime, read_downtime, read_downtimes, read_history
from logbook.downtime.record import UNDECIDED, Record, Source, Step, Value, iso, text_of
from logbook.downtime.rules import changes_between, check_fields, check_text, check_time
from logbook.downtime.selection import Selection
from logbook.downtime.store import Done, Outcome, Store
from logbook.logbookfile import read_logbook_file
from sipmdcs.clock import Clock, SystemClock, to_datetime
from sipmdcs.database import database_error, make_engine
from sipmdcs.errors import BadInput, ServiceError
from sipmdcs.site import Site
from sipmdcs.spool import Spool

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a request."""

    record: Record | None
    """As it is, or as it will be; None if that is not known while the database is away."""
    text: str
    """For whoever asked, one line."""
    waiting: bool = False
    """It is kept until the database is back."""
    repeated: bool = False
    """It had been done before; nothing was changed."""


class Desk:
    """The downtime logger of one site."""

    def __init__(self, site: Site, file: DowntimeFile | None = None, clock: Clock | None = None) -> None:
        """Open it; the database is not touched yet.

        Raises:
            BadInput: ``downtime.yaml`` or ``logbook.yaml`` is wrong.
        """
        self.title = site.file.name
        self.file = file or read_downtime_file(site)
        self._run_partitions = read_logbook_file(site).partitions
        self.log = LogFile(self.file.log_path(site.folder))
        self.store = Store(make_engine(site.database_url))
        self.journal = Journal(Spool(site.spool_folder("downtime")), self.store, self.log, self.file.patience_s)
        self._clock = clock or SystemClock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the database."""
        self.store.engine.dispose()

    def now(self) -> datetime:
        """The present time, UTC."""
        return to_datetime(self._clock.time_ns())

    def moment(self, text: str) -> datetime:
        """A time that somebody wrote, also a date or how long ago; in the zone of the file, if it names none.

        Raises:
            BadInput: it is no time.
        """
        try:
            return parse_cut(text, self.now(), self.file.zone)
        except ValueError as err:
            raise BadInput(str(err)) from err

    def stop(self, call: Call, detector: str) -> Answer:
        """A detector has stopped: open a record.

        Raises:
            BadInput: a time in the future, or out of order; nothing was stored.
            ServiceError: neither disk nor database take it.
        """
        now = self.now()
        opening = Opening(
            request_key=_message_key(call, detector),
            detector=detector,
            run=call.run,
            subrun=call.subrun,
            started_at=call.time or now,
            ended_at=None,
            category=UNDECIDED,
            description="",
            user="",
            source=Source.AUTOMATIC,
            received_at=now,
            partitions=partitions_of_runs(self.file.detectors[detector], call.partition, self._run_partitions),
        )
        return self._open(opening)

    def start(self, call: Call, detector: str) -> Answer:
        """A detector runs again: end its open record.

        Raises:
            BadInput: there is none, or the time is in the future or out of order; nothing was stored.
            ServiceError: neither disk nor database take it.
        """
        now = self.now()
        ending = Ending(detector, call.time or now, now)
        check_time("start", ending.ended_at, now, self.file)
        result = self.journal.submit(ending)
        if isinstance(result, Waiting):
            text = f"{detector} is up since {iso(ending.ended_at)}: kept until the database is back ({result.reason})"
            return Answer(None, text, waiting=True)
        return _answer(result)

    def new(self, values: dict[str, Value]) -> Answer:
        """An entry by hand.

        Args:
            values: of the editable fields; ``started_at`` now and ``ended_at`` open if left out.

        Raises:
            BadInput: a value cannot be, or the detector is down already; nothing was stored.
            ServiceError: neither disk nor database take it.
        """
        now = self.now()
        blank = Opening(
            f"manual-{uuid.uuid4().hex}", "", None, None, now, None, UNDECIDED, "", "", Source.MANUAL, received_at=now
        )
        opening = replace(blank, **{name: value for name, value in values.items() if value is not None})  # type: ignore[arg-type]
        check_fields(opening, None, now, self.file)
        answer = self._open(opening)
        if answer.repeated:
            raise BadInput(answer.text)
        return answer

    def edit(self, seen: Record, values: dict[str, Value], who: str) -> Answer:
        """Change fields of a record.

        Args:
            seen: the record as whoever changes it saw it.
            values: new values of some of the editable fields.
            who: to put on record.

        Raises:
            BadInput: a value cannot be, or nothing changes.
            Conflict: somebody else has changed it meanwhile.
            ServiceError: neither disk nor database take it.
        """
        now = self.now()
        check_text("user", who)
        changes = changes_between(seen, values)
        if not changes:
            return Answer(seen, f"{seen.name} is as it was")
        after = replace(seen, **values)  # type: ignore[arg-type]
        check_fields(after, seen, now, self.file)
        self.log.info("edit", event=seen.id, revision=seen.revision, who=who, **changes)
        result = self.journal.submit(Edit(seen.request_key, seen.revision, who, now, changes))
        if isinstance(result, Waiting):
            return Answer(
                after, f"the change of {seen.name} is kept until the database is back ({result.reason})", waiting=True
            )
        return _answer(result)

    def select(self, selection: Selection) -> list[Record]:
        """Records that the cuts leave, the unexplained first.

        Raises:
            ServiceError: the database fails.
        """
        return self._read(lambda session: read_downtimes(session, selection))

    def event(self, number: int) -> Record:
        """One record.

        Raises:
            BadInput: there is none of that number.
            ServiceError: the database fails.
        """
        found = self._read(lambda session: read_downtime(session, number))
        if found is None:
            raise BadInput(f"event {number}: there is none of that number")
        return found

    def again(self, record: Record) -> Record:
        """A record as it is now; as it was, if the database does not have it yet.

        Raises:
            ServiceError: the database fails.
        """
        return self._read(lambda session: find_downtime(session, record.request_key)) or record

    def history(self, record: Record) -> list[Step]:
        """Every change of a record, oldest first.

        Raises:
            ServiceError: the database fails.
        """
        number = record.id
        return [] if number is None else self._read(lambda session: read_history(session, number))

    def _open(self, opening: Opening) -> Answer:
        check_time("stop", opening.started_at, opening.received_at, self.file)
        result = self.journal.submit(opening)
        if isinstance(result, Waiting):
            text = (
                f"{opening.detector} is down since {iso(opening.started_at)}: kept until the database is back ({result.reason})"
            )
            return Answer(opening.record(), text, waiting=True)
        return _answer(result)

    def _read(self, work: Callable[[Session], R]) -> R:
        def read() -> R:
            try:
                with self.store.session(reading=True) as session:
                    return work(session)
            except SQLAlchemyError as err:
                raise database_error(self.store.engine, err) from err

        try:
            return within(self.file.patience_s, read, "the database")
        except ServiceError as err:
            self.log.failure("database-failed", kind="reading", error=str(err))
            raise


def _answer(outcome: Outcome) -> Answer:
    return Answer(outcome.record, outcome.text, repeated=outcome.done == Done.REPEATED)


def _message_key(call: Call, detector: str) -> str:
    """Of a stop: the same message again has the same key; a stop that names no time is always a new one."""
    if call.time is None:
        return f"call-{uuid.uuid4().hex}"
    facts = "\n".join((detector, text_of(call.run), text_of(call.subrun), iso(call.time)))
    return f"message-{hashlib.sha256(facts.encode()).hexdigest()}"


def as_data(record: Record) -> dict[str, object]:
    """A record as JSON holds it: names as in the table, times in ISO 8601."""
    data = asdict(record)
    for name, value in data.items():
        if isinstance(value, datetime):
            data[name] = iso(value)
    return data
