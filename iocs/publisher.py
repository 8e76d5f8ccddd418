"""Records served over Channel Access: what services and IOCs publish with (``sipmdcs.publisher``)."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path

from iocs.access import AccessSecurity, load_access_security
from iocs.autosave import Autosave
from iocs.bound_records import ALARMS, BoundRecords, cannot_hold, value_of
from iocs.records.fields import Field
from iocs.records.load import load_records
from iocs.records.record import LiveRecord
from iocs.records.scan import Scanner
from iocs.records.table import RecordTable
from iocs.server import Server
from iocs.server_write import Writer
from sipmdcs.clock import Clock, SystemClock
from sipmdcs.epicsdb import Record
from sipmdcs.errors import ChannelError, NotConnected
from sipmdcs.publisher import Value, WriteHandler
from sipmdcs.severity import Severity, Status


class RecordServer:
    """A Channel Access server with the records of one service; implements ``sipmdcs.publisher.Publisher``.

    Args:
        records: definitions, macros expanded.
        security: who may do what.
        autosave: file that keeps what survives a restart, ``None`` for none.
        clock: what time it is.
        on_demand: records by name that cost nothing until a client asks for them; see ``open_publisher``.

    Raises:
        BadInput: a record uses a type or field that is not implemented.
    """

    def __init__(
        self,
        records: Iterable[Record],
        security: AccessSecurity | None = None,
        *,
        autosave: Path | None = None,
        clock: Clock | None = None,
        on_demand: Mapping[str, Record] | None = None,
    ) -> None:
        self._clock = clock or SystemClock()
        self._records = RecordTable(records, on_demand or {})
        self._autosave = Autosave(autosave, self._distinct()) if autosave is not None else None
        self._writer = Writer(self._clock, self._on_put)
        self._server = Server(self._records, security or AccessSecurity(), self._writer)
        self._scanner = Scanner(self._distinct(), self._clock)
        self._start()
        self._records.on_start = self._scanner.add

    def _distinct(self) -> list[LiveRecord]:
        """Each record once, aliases left out, in the order of the files."""
        return list({id(record): record for record in self._records.values()}.values())

    def _start(self) -> None:
        """Restore what was saved, then process what asks for it. Nothing is written to any device."""
        restored = self._autosave.restore() if self._autosave is not None else []
        now = self._clock.time_ns()
        for record in restored:
            if not record.pini:
                record.process(now)
        self._scanner.process_initial()

    def _on_put(self, record: LiveRecord, field: Field) -> None:
        if field.name in ("SCAN", "PHAS"):
            self._scanner.rescan(record)
        self._server.put_done(record, field)
        if record.autosave and self._autosave is not None:
            self._autosave.touch()

    def _record(self, name: str) -> LiveRecord:
        record = self._records.find(name)
        if record is None:
            raise NotConnected(name, "is not a record of this server")
        return record

    # Publisher --------------------------------------------------------------------------------------------------------

    def post(
        self,
        values: Mapping[str, Value],
        *,
        time_ns: int | None = None,
        severity: Severity | None = None,
        status: Status = Status.NO_ALARM,
    ) -> None:
        """Give records new values and process each once; all go out together. See ``Publisher.post``.

        A value that its record cannot hold makes that record INVALID with status READ; the others are posted all the same.
        One that does not run yet begins with what was posted last.

        Raises:
            ChannelError: a name or value does not fit; the first one, after everything else has been posted.
        """
        now = self._clock.time_ns() if time_ns is None else time_ns
        problem: ChannelError | None = None
        for name, value in values.items():
            record = self._records.get(name)
            try:
                if record is not None:
                    self._receive(record, value, now, severity, status)
                elif self._records.has(name):
                    post = partial(self._receive, value=value, now=now, severity=severity, status=status)
                    self._records.post_at_start(name, post)
                else:
                    raise NotConnected(name, "is not a record of this server")
            except ChannelError as err:
                problem = problem or err
        if problem is not None:
            raise problem

    def _receive(self, record: LiveRecord, value: Value, now: int, severity: Severity | None, status: Status) -> None:
        if record.autosave:
            self._touch()
        try:
            record.update(value, now, int(severity or 0), int(status))
        except (ValueError, TypeError, OverflowError) as err:
            raise cannot_hold(record, value, err) from err

    def _touch(self) -> None:
        """Something that survives a restart may have changed."""
        if self._autosave is not None:
            self._autosave.touch()

    def invalidate(self, names: Iterable[str], status: Status, message: str = "") -> None:
        now = self._clock.time_ns()
        for name in names:
            record = self._record(name)
            if record.pact:
                continue
            if status is Status.WRITE:
                record.refused = message or "refused"
                record.is_told_alarm = True
                record.process(now)
            else:
                record.invalidate(now, int(status), message)
            if record.autosave:
                self._touch()

    def value(self, name: str) -> Value:
        return value_of(self._record(name))

    def alarm(self, name: str) -> tuple[Severity, Status]:
        record = self._record(name)
        return ALARMS[record.sevr][record.stat]

    def bind(self, names: Iterable[str | None]) -> BoundRecords:
        return BoundRecords([None if name is None else self._record(name) for name in names], self._touch)

    def on_write(self, name: str, handler: WriteHandler) -> None:
        self._writer.handlers[self._record(name)] = handler

    async def change(self, added: Iterable[Record], removed: Iterable[str]) -> None:
        """Serve other records; see ``Publisher.change``. New records start as those of a database file do."""
        if self._autosave is not None:
            raise NotImplementedError("what a server restores and saves is fixed when it starts")
        definitions = list(added)
        fresh = await asyncio.to_thread(load_records, definitions)
        gone = {self._record(name) for name in removed}
        for definition in definitions:
            for name in (definition.name, *definition.aliases):
                if self._records.has(name) and self._records.get(name) not in gone:
                    raise definition.bad("", f"{name} is a record already")
        for record in gone:
            for name in (record.name, *record.aliases):
                del self._records[name]
            self._writer.handlers.pop(record, None)
        self._server.withdraw(gone)
        self._records.update(fresh)
        self._scanner.change({id(record): record for record in fresh.values()}.values(), gone)
        self._server.announce(fresh)

    async def run(self) -> None:
        """Serve until cancelled.

        Raises:
            ServiceError: an interface or port cannot be used.
            BadInput: an EPICS environment variable cannot be understood.
        """
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._server.run())
                tasks.create_task(self._scanner.run())
                if self._autosave is not None:
                    tasks.create_task(self._autosave.run())
        except BaseExceptionGroup as problems:
            # Whatever ended one of them is what there is to say; the others were only cancelled.
            raise problems.exceptions[0] from None


def open_record_server(
    records: Iterable[Record],
    access_file: Path | None = None,
    *,
    autosave: Path | None = None,
    on_demand: Mapping[str, Record] | None = None,
) -> RecordServer:
    """The installed publisher: entry point of group ``sipmdcs.publisher``.

    Args:
        records: definitions, macros expanded.
        access_file: access security file (``.acf``); without one everybody may do everything.
        autosave: file that keeps what survives a restart.
        on_demand: as of ``sipmdcs.publisher.open_publisher``.

    Raises:
        BadInput: a record uses a type or field that is not implemented, or the access file is malformed.
    """
    security = load_access_security(access_file) if access_file is not None else None
    return RecordServer(records, security, autosave=autosave, on_demand=on_demand)
