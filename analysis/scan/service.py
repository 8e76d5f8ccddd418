"""The scanner: takes one request at a time, runs it, and is never done before the operating point is back."""

from __future__ import annotations

import asyncio
import logging
import threading
import uuid
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeVar

from analysis.scan.accepted import Accepted
from analysis.scan.chartext import from_chars
from analysis.scan.delivery import deliver_curves
from analysis.scan.estimate import duration_s
from analysis.scan.logbook_run import LogbookRun
from analysis.scan.operating_point import OperatingPoint
from analysis.scan.places import places, select
from analysis.scan.preflight import ScanPlan, plan_scan
from analysis.scan.published import Board, ScanState
from analysis.scan.recovery import Recovery
from analysis.scan.reporting import listing, names, result, summary
from analysis.scan.request import ScanRequest, parse_request
from analysis.scan.sole import only_scanner
from analysis.scan.trouble import TakenOver
from sipmdcs.channels import Channels
from sipmdcs.errors import BadInput, DcsError, ServiceError
from sipmdcs.publisher import Value
from sipmdcs.service import Service, run_service
from sipmdcs.site import Site

if TYPE_CHECKING:
    from analysis.scan.engine import Engine
    from analysis.scan.job import Job

SERVICE = "scanner"

RETRY_S = 2.0
"""Between attempts to put back what is not back."""

_STOP_S = 8.0
"""When the service is told to end: time to abort and put back; what takes longer is done at the next start."""

_log = logging.getLogger(__name__)
T = TypeVar("T")


class Scanner:
    """Everything of the service.

    Args:
        service: what it works with.
        channels: Channel Access, for checking before and putting back after.
    """

    def __init__(self, service: Service, channels: Channels) -> None:
        self._service = service
        self._site = service.site
        self._channels = channels
        self._board = Board(service.publisher, service.site.file.prefix)
        self._folder = service.site.var / "scan"
        self._recovery = Recovery(channels, self._folder / "operating-point.json")
        self._accepted: asyncio.Queue[Accepted] = asyncio.Queue()
        self._busy = ""
        """What is going on, for those who are refused; empty while nothing is."""
        self._reply: dict[str, str | bool | float] = {}
        """To the last request that was accepted."""
        self._acknowledged = asyncio.Event()
        self._engine: Engine | None = None
        self._loop = asyncio.get_running_loop()
        self._first_point_at = 0.0

    async def run(self) -> None:
        """Serve until cancelled."""
        commands = {"PAUSE": self._pause, "RESUME": self._resume, "ABORT": self._abort, "ACKNOWLEDGE": self._acknowledge}
        for suffix, command in commands.items():
            self._service.publisher.on_write(self._board.pv(suffix), self._handler(suffix, command))
        self._service.publisher.on_write(self._board.pv("REQUEST"), self._on_request)
        self._board.show(
            ScanState.IDLE, PROGRESS=0, POINT=0, N_POINTS=0, REMAINING=0, RUN=0, STARTED_BY="", N_CHANNELS=0, N_STOPPED=0,
            NOT_RESTORED=0, MESSAGE="", CHANNELS="", REPLY="", RESULT="",
        )  # fmt: skip
        orphan = self._recovery.waiting()
        if orphan is not None:
            self._busy = "the operating point of an interrupted scan is being put back"
        self._service.ready()
        if orphan is not None:
            await self._close_orphan(orphan)
        await self._recover()
        while True:
            accepted = await self._accepted.get()
            try:
                await self._scan(accepted)
            except DcsError as err:
                _log.exception("scan %s", accepted.uid)
                self._busy = ""
                self._board.show(ScanState.FAILED, MESSAGE=f"failed: {err}")
            await self._recover()

    # -- what people ask ------------------------------------------------------------------------------------------------

    async def _on_request(self, value: Value) -> None:
        request: ScanRequest | None = None
        try:
            request = parse_request(from_chars(value))
            self._check_free()
            self._busy = f"{request.who} scans {len(request.channels)} channels"
            try:
                plan = await asyncio.to_thread(self._plan, request)
            except BaseException:
                self._busy = ""
                raise
        except DcsError as err:
            key = request.id if request else ""
            # Who was accepted a moment ago may not have read the answer to that yet.
            reply = {"id": key, "ok": False, "reason": str(err), "accepted": self._reply}
            self._board.show(REPLY=reply, MESSAGE=f"refused: {err}")
            raise
        accepted = Accepted(uuid.uuid4().hex[:12], plan, datetime.now(UTC).isoformat(timespec="seconds"))
        self._busy = f"{request.who} scans {len(plan.courses)} channels, from {plan.courses[0].place.channel} on"
        self._begin(accepted)
        self._accepted.put_nowait(accepted)

    def _check_free(self) -> None:
        if self._recovery.pending:
            raise BadInput(f"{listing(self._recovery.pending)}; sipmdcs scan acknowledge gives them up")
        if self._busy:
            raise BadInput(f"{self._busy}; wait for it or abort it: sipmdcs scan abort")

    def _plan(self, request: ScanRequest) -> ScanPlan:
        return plan_scan(self._channels, select(request.channels, places(self._site)), request)

    def _begin(self, accepted: Accepted) -> None:
        plan = accepted.plan
        chosen = [course.place.channel for course in plan.courses]
        self._reply = {"id": plan.request.id, "ok": True, "uid": accepted.uid, "seconds": round(duration_s(plan), 1)}
        skipped = f"; left out: {listing(plan.skipped)}" if plan.skipped else ""
        self._board.show(
            ScanState.PREPARING,
            PROGRESS=0,
            POINT=0,
            N_POINTS=plan.points,
            REMAINING=duration_s(plan),
            RUN=0,
            STARTED_BY=plan.request.who,
            N_CHANNELS=len(chosen),
            N_STOPPED=0,
            CHANNELS=names(chosen),
            MESSAGE=f"{plan.request.who} scans {len(chosen)} channels{skipped}",
            REPLY=self._reply,
        )
        _log.info("scan %s of %s: %s", accepted.uid, plan.request.who, names(chosen))

    def _handler(self, suffix: str, command: Callable[[], Awaitable[None]]) -> Callable[[Value], Awaitable[None]]:
        async def handle(value: Value) -> None:
            try:
                if value:
                    await command()
            except DcsError as err:
                self._board.show(MESSAGE=f"refused: {err}")
                raise
            finally:
                # After this handler: a record that is being written takes no value.
                self._loop.call_soon(self._service.publisher.post, {self._board.pv(suffix): 0})

        return handle

    async def _pause(self) -> None:
        if self._engine is None or self._board.state is not ScanState.RUNNING:
            raise BadInput(f"nothing can be paused, the scanner is {self._board.state.name}")
        await asyncio.to_thread(self._engine.pause)

    async def _resume(self) -> None:
        if self._engine is None or self._board.state is not ScanState.PAUSED:
            raise BadInput(f"nothing can be resumed, the scanner is {self._board.state.name}")
        self._board.show(ScanState.RUNNING, MESSAGE="resumed, the last point is measured again")
        self._engine.resume()

    async def _abort(self) -> None:
        if self._board.state not in (ScanState.PREPARING, ScanState.RUNNING, ScanState.PAUSED):
            raise BadInput(f"nothing can be aborted, the scanner is {self._board.state.name}")
        self._board.show(ScanState.ABORTING, MESSAGE="aborting, everything is put back")
        await asyncio.to_thread((await self._get_engine()).abort)

    async def _acknowledge(self) -> None:
        if not self._recovery.pending:
            raise BadInput("there is nothing to acknowledge")
        self._acknowledged.set()

    # -- one scan -------------------------------------------------------------------------------------------------------

    async def _get_engine(self) -> Engine:
        """Made for the first scan: bluesky costs a second and 40 MB, which a site that does not scan need not pay."""
        if self._engine is None:
            module = await asyncio.to_thread(__import__, "analysis.scan.engine", fromlist=["Engine"])
            engine: Engine = module.Engine(self._soon(lambda: self._board.show(ScanState.PAUSED, MESSAGE="paused")))
            self._engine = self._engine or engine
        return self._engine

    async def _scan(self, accepted: Accepted) -> None:
        engine = await self._get_engine()
        engine.prepare()
        try:
            await self._scan_with(engine, accepted)
        finally:
            engine.finish()

    async def _scan_with(self, engine: Engine, accepted: Accepted) -> None:
        plan = accepted.plan
        if self._board.state is ScanState.ABORTING:  # before there was anything to abort
            self._busy = ""
            self._board.show(ScanState.IDLE, MESSAGE="aborted before anything was changed")
            return
        started = self._service.clock.monotonic()
        logbook = LogbookRun(self._site, accepted.uid, plan.request.who)
        missing = await asyncio.to_thread(logbook.open, self._facts(accepted), self._service.clock, engine.aborted)
        number = logbook.number
        self._board.show(RUN=number or 0, MESSAGE=missing or f"run {number}")
        try:
            await asyncio.to_thread(self._recovery.note, accepted.operating_point(number))
        except ServiceError as err:
            await asyncio.to_thread(logbook.close, completed=False, reason=str(err), facts={})
            raise
        from analysis.scan.job import Job

        job = Job(
            accepted.uid,
            plan,
            engine,
            documents=self._folder / f"{accepted.uid}.jsonl",
            restore=self._restore_in_plan,
            on_point=self._soon(lambda done, early: self._show_point(plan, done, early)),
            channels=self._channels,
        )
        await self._run_job(job, number)
        await self._finish(accepted, job, logbook, self._service.clock.monotonic() - started)

    async def _run_job(self, job: Job, number: int | None) -> None:
        """In a thread that keeps no process alive: a scan that cannot be ended must not hold up a stop."""
        over = self._loop.create_future()

        def work() -> None:
            try:
                job.run(number)
                error: Exception | None = None
            except Exception as err:  # noqa: BLE001 - told where the scan is awaited
                error = err
            self._loop.call_soon_threadsafe(_settle, over, error)

        if self._board.state is ScanState.PREPARING:
            self._board.show(ScanState.RUNNING)
        self._first_point_at = self._service.clock.monotonic()
        threading.Thread(target=work, name="scan", daemon=True).start()
        try:
            await asyncio.shield(over)
        except asyncio.CancelledError:
            _log.warning("told to end during a scan, which is aborted")
            await asyncio.to_thread(job.engine.abort)
            await asyncio.wait({over}, timeout=_STOP_S)
            raise

    async def _finish(self, accepted: Accepted, job: Job, logbook: LogbookRun, seconds: float) -> None:
        ending, reason = job.ending, job.reason()
        outcome = "aborted" if job.taken else str(ending.outcome)
        delivered: list[str] = []
        if not reason:
            try:
                run = logbook.number
                delivered = await asyncio.to_thread(
                    deliver_curves, self._site.raw_folder, accepted.uid, job.curves.items(), run, job.taken_at
                )
            except ServiceError as err:
                outcome, reason = "failed", str(err)
            if not delivered and not reason:
                outcome, reason = "failed", "no curve is fit for the analysis"
        answer = result(
            accepted.uid,
            outcome,
            reason,
            job.curves,
            delivered,
            run=logbook.number,
            seconds=seconds,
            pending=self._recovery.pending,
        )
        facts = {"curves": len(delivered), "outcome": outcome}
        await asyncio.to_thread(logbook.close, completed=outcome == "completed", reason=reason or outcome, facts=facts)
        done = {"PROGRESS": 100.0} if outcome == "completed" else {}
        state = ScanState.FAILED if outcome == "failed" or self._recovery.pending else ScanState.IDLE
        if not self._recovery.pending:
            self._busy = ""
        self._board.show(state, RESULT=answer, MESSAGE=summary(answer), REMAINING=0, **done)
        _log.info("scan %s: %s", accepted.uid, summary(answer))

    def _facts(self, accepted: Accepted) -> dict[str, object]:
        request = accepted.plan.request
        wanted: dict[str, object] = {
            "scan": accepted.uid,
            "start": request.start,
            "stop": request.stop,
            "step_V": request.step_V,
        }
        return wanted | {"channels": [course.place.channel for course in accepted.plan.courses]}

    def _show_point(self, plan: ScanPlan, done: int, early: int) -> None:
        elapsed = self._service.clock.monotonic() - self._first_point_at
        left_s = elapsed / done * (plan.points - done)
        self._board.show(POINT=done, PROGRESS=100 * done / plan.points, REMAINING=left_s, N_STOPPED=early)

    # -- putting back ---------------------------------------------------------------------------------------------------

    def _restore_in_plan(self, left: Mapping[str, TakenOver]) -> None:
        """Called by the plan at its end, in a thread."""
        self._soon(lambda: self._board.show(ScanState.RESTORING, MESSAGE="putting the operating point back"))()
        try:
            report = self._recovery.attempt(left)
        except DcsError:
            _log.exception("putting back failed, it is tried again")
            return
        told = {"MESSAGE": listing(report.left)} if report.left else {}
        self._soon(lambda: self._board.show(None, NOT_RESTORED=len(report.pending), **told))()

    async def _recover(self) -> None:
        """Until everything is back or given up."""
        point = await asyncio.to_thread(self._recovery.waiting)
        if point is None:
            return
        self._board.show(ScanState.RESTORING, MESSAGE=f"putting back what scan {point.uid} of {point.who} changed")
        while True:
            try:
                report = await asyncio.to_thread(self._recovery.attempt, {})
            except DcsError as err:  # of the disk, which may have room again
                _log.exception("putting back is tried again")
                self._board.show(ScanState.FAILED, MESSAGE=f"not restored: {err}")
                await asyncio.sleep(RETRY_S)
                continue
            self._board.show(None, NOT_RESTORED=len(report.pending))
            if not report.pending:
                message = f"the operating point is back{'; ' if report.left else ''}{listing(report.left)}"
                break
            self._board.show(ScanState.FAILED, MESSAGE=f"not restored: {listing(report.pending)}")
            try:
                await asyncio.wait_for(self._acknowledged.wait(), RETRY_S)
            except TimeoutError:
                self._board.show(ScanState.RESTORING)
                continue
            await asyncio.to_thread(self._recovery.give_up)
            message = "given up"
            break
        self._acknowledged.clear()  # not before: NOT_RESTORED is shown, and may be acknowledged, before this begins
        self._busy = ""
        self._board.show(ScanState.IDLE, NOT_RESTORED=0, MESSAGE=message)

    async def _close_orphan(self, point: OperatingPoint) -> None:
        """The scan and its run ended with the process before this one."""
        logbook = LogbookRun(self._site, point.uid, point.who, point.run)
        await asyncio.to_thread(logbook.close, completed=False, reason="the scanner was interrupted", facts={})

    def _soon(self, show: Callable[..., None]) -> Callable[..., None]:
        """The same, callable from any thread."""

        def later(*arguments: object) -> None:
            if not self._loop.is_closed():
                self._loop.call_soon_threadsafe(show, *arguments)

        return later


def _settle(over: asyncio.Future[None], error: Exception | None) -> None:
    if over.done():
        return
    if error is None:
        over.set_result(None)
    else:
        over.set_exception(error)


async def run_scanner(site: Site, channels: Channels) -> None:
    """Run the scanner of a site until it is told to end.

    Raises:
        BadInput: a record or the file of the operating point cannot be used.
        ServiceError: the site has a scanner that runs.
    """

    async def body(service: Service) -> None:
        try:
            await Scanner(service, channels).run()
        finally:
            channels.close()

    with only_scanner(site.var / "scan"):
        await run_service(site, SERVICE, site.service_records(SERVICE), body)
