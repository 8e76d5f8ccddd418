"""The logbook service: keeps the run table, answers HTTP, serves runs as PVs, summarises what has ended."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from pydantic import ValidationError

from logbook.api import MAX_BODY, Api
from logbook.archive import Archive
from logbook.comparison import compare, to_compare
from logbook.desk import Desk, open_desk
from logbook.logbookfile import LogbookFile, read_logbook_file
from logbook.published import Published, long_text
from logbook.refusals import Conflict
from logbook.requests import MoveRequest, OpenRequest
from logbook.run import Run, run_json
from logbook.run_state import Command
from logbook.summariser import Stopped, Summariser
from sipmdcs.clock import SystemClock, to_datetime
from sipmdcs.errors import DcsError, ServiceError
from sipmdcs.http.edge import Edge
from sipmdcs.http.limits import Limits
from sipmdcs.http.server import listen, serve
from sipmdcs.publisher import Value, WriteHandler
from sipmdcs.service import Service, run_service
from sipmdcs.site import Site
from sipmdcs.validation import bad_value

SERVICE = "logbook"

_PERIOD_S = 1.0
"""Period of upkeep and key figures."""
_SUMMARY_RETRY_S = 10.0
_COMPARE_PERIOD_S = 0.2
"""How often runs that were just started are looked for, in memory."""

Work = Callable[[], Awaitable[Run]]
"""Does a command and returns the run as it is then."""

_log = logging.getLogger(__name__)


class LogbookService:
    """Everything one logbook service consists of."""

    def __init__(self, service: Service, desk: Desk, published: Published) -> None:
        self._service = service
        self._desk = desk
        self._published = published
        self._changed = asyncio.Event()
        self._summariser = Summariser(desk.store, Archive(service.site.file.archiver), desk.file, service.clock)
        self._answered: bool | None = None
        self._waiting = 0
        self._spooled = 0
        self._known_at = service.clock.monotonic()
        self._failing_since: float | None = None

    async def run(self) -> None:
        """Keep the run table until cancelled."""
        for partition, prefix in self._published.prefixes.items():
            self._tell(prefix, "")
            self._service.publisher.on_write(f"{prefix}:OPEN", self._pressed(prefix, self._opener(partition, prefix)))
            for command in Command:
                mover = self._mover(partition, prefix, command)
                self._service.publisher.on_write(f"{prefix}:{command.upper()}", self._pressed(prefix, mover))
        await self._tend()
        http = self._service.site.file.logbook
        limits = Limits(body_bytes=MAX_BODY)
        site = self._service.site
        edge = Edge(SERVICE, site.file.http, health=self._health, limits=limits, site=site.identity)
        started = asyncio.Event()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._keep_tending(), name="upkeep")
                group.create_task(self._keep_posting(), name="figures")
                group.create_task(self._keep_summarising(), name="summaries")
                group.create_task(self._keep_comparing(), name="comparison")
                application = Api(self._desk, self._summariser.again, self._changed.set).application()
                sock = listen(http.interface, http.port)
                group.create_task(serve(application, sock, edge, on_started=started.set), name="http")
                await started.wait()
                self._service.ready()
        finally:
            self._summariser.stopping.set()

    # Tasks ------------------------------------------------------------------------------------------------------------

    async def _tend(self) -> None:
        try:
            await asyncio.to_thread(self._desk.tend)
        except DcsError as err:
            _log.error("%s", err)
        answers = self._desk.database_answers
        if answers is not self._answered and not answers:
            _log.error("runs go on without the database: %s", self._desk.trouble)
        elif answers and self._answered is False:
            _log.warning("the database is back")
        self._answered = answers
        self._changed.set()

    async def _keep_tending(self) -> None:
        while True:
            await asyncio.sleep(_PERIOD_S)
            await self._tend()

    async def _keep_posting(self) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            await self._post()

    async def _post(self) -> None:
        present = self._desk.present
        clock = self._service.clock
        spooled = await asyncio.to_thread(len, self._desk.spool)
        refused = await asyncio.to_thread(lambda: len(list(self._desk.spool.refused.glob("*.json"))))
        since = self._failing_since
        figures: Mapping[str, Value] = {
            "DATABASE": int(self._desk.database_answers),
            "SPOOLED": spooled,
            "REFUSED": refused,
            "RESERVED": len(present.reserved),
            "OPEN_RUNS": sum(run.state.is_open for run in present.runs.values()),
            "ORPHANS": self._desk.orphans,
            "SUMMARIES_WAITING": self._waiting,
            "SUMMARY_AGE": 0.0 if since is None else clock.monotonic() - since,
        }
        self._spooled, self._known_at = spooled, clock.monotonic()
        own = {self._service.pv(suffix): value for suffix, value in figures.items()}
        self._service.publisher.post(own | self._published.values(present, to_datetime(clock.time_ns())))

    def _health(self) -> Mapping[str, Any]:
        """How the service is, as it was known last, and how long ago that was, seconds."""
        present = self._desk.present
        return {
            "database": self._desk.database_answers,
            "spooled": self._spooled,
            "age_s": self._service.clock.monotonic() - self._known_at,
            "reserved_numbers": len(present.reserved),
            "open_runs": [run_json(run) for run in present.runs.values() if run.state.is_open],
            "partitions": list(self._desk.file.partitions),
            "types": list(self._desk.file.types),
        }

    async def _keep_summarising(self) -> None:
        while True:
            pause = _PERIOD_S
            if self._desk.database_answers:
                try:
                    self._waiting = await asyncio.to_thread(self._summariser.step)
                    self._failing_since = None
                except Stopped:
                    return
                except ServiceError as err:
                    if self._failing_since is None:
                        _log.warning("summaries wait: %s", err)
                        self._failing_since = self._service.clock.monotonic()
                    pause = _SUMMARY_RETRY_S
            await asyncio.sleep(pause)

    async def _keep_comparing(self) -> None:
        """What is on the detector when a run starts; off the path of the start."""
        tried: set[int] = set()
        while True:
            for run in to_compare(self._desk.present.runs.values()):
                if run.number in tried:
                    continue
                tried.add(run.number)
                now = to_datetime(self._service.clock.time_ns())
                result = await compare(self._service.site.folder, run, now)
                try:
                    await asyncio.to_thread(self._desk.compared, result)
                except DcsError as err:
                    _log.warning("run %d: what was on the detector is not kept: %s", run.number, err)
                self._changed.set()
            await asyncio.sleep(_COMPARE_PERIOD_S)

    # Commands as PVs --------------------------------------------------------------------------------------------------

    def _pressed(self, prefix: str, work: Work) -> WriteHandler:
        """What a write to a command does; what became of it is shown in ``MESSAGE``."""

        async def handler(value: Value) -> None:
            if not value:  # the button is up again
                return
            try:
                run = await work()
            except DcsError as err:
                self._tell(prefix, str(err))
                raise
            self._tell(prefix, f"run {run.number} is {run.state}")
            self._service.publisher.post({f"{prefix}:REASON_SET": ""})  # it was the reason of this one
            await self._post()

        return handler

    def _opener(self, partition: str, prefix: str) -> Work:
        async def work() -> Run:
            kind = self._text(f"{prefix}:TYPE_SET") or self._desk.file.types[0]
            try:
                asked = OpenRequest(
                    request_key=f"pv-{uuid.uuid4()}", partition=partition, type=kind, who=self._who(prefix), replace=False
                )
            except ValidationError as err:
                raise bad_value(err) from err
            return (await asyncio.to_thread(self._desk.open, asked, "pv")).run

        return work

    def _mover(self, partition: str, prefix: str, command: Command) -> Work:
        async def work() -> Run:
            run = self._desk.present.newest_in(partition)
            if run is None:
                raise Conflict(f"cannot {command}: partition {partition} has no run yet")
            try:
                asked = MoveRequest(who=self._who(prefix), reason=self._text(f"{prefix}:REASON_SET"))
            except ValidationError as err:
                raise bad_value(err) from err
            return (await asyncio.to_thread(self._desk.move, run.number, command, asked, "pv")).run

        return work

    def _text(self, pv: str) -> str:
        return str(self._service.publisher.value(pv)).strip()

    def _who(self, prefix: str) -> str:
        return self._text(f"{prefix}:WHO_SET") or "Channel Access"

    def _tell(self, prefix: str, text: str) -> None:
        self._service.publisher.post({f"{prefix}:MESSAGE": long_text(text)})


async def run_logbook(site: Site) -> None:
    """Run the logbook service of a site until it is told to end.

    Raises:
        BadInput: ``logbook.yaml`` or a record cannot be used.
        ServiceError: another process keeps the run table, or the HTTP port cannot be used.
    """
    file: LogbookFile = read_logbook_file(site)
    published = Published(site.file.prefix, file)
    with open_desk(site, file, SystemClock()) as desk:

        async def body(service: Service) -> None:
            await LogbookService(service, desk, published).run()

        await run_service(site, SERVICE, site.service_records(SERVICE), body)
