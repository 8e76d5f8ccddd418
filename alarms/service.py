"""The alarm service: puts the parts together and keeps them going."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from alarms.api import Api
from alarms.cause import cause_of, is_lost
from alarms.check import check_routes
from alarms.configuration import Configuration, load_configuration
from alarms.distress import WAIT_S, Distress
from alarms.engine import Alarms, Draft
from alarms.handler import Handler
from alarms.intake import Intake, Taken
from alarms.letter import Desk, Letter, write_letter
from alarms.monitor import Monitor
from alarms.notifyfile import NotifyFile, load_notify
from alarms.outbox import Outbox, age_s
from alarms.pager import Pager, wait_for_event
from alarms.paging import Notice, Paging
from alarms.published import Published
from alarms.state import AlarmState
from alarms.store import DATABASE_FILE, Store
from alarms.values import MetadataCache, limit_text
from alarms.watch import Captured, Watch, capture_all
from sipmdcs.channels import Channels
from sipmdcs.clock import NS
from sipmdcs.collector import kept_for_good
from sipmdcs.errors import BadInput, ServiceError
from sipmdcs.http.edge import Edge
from sipmdcs.http.server import listen, serve
from sipmdcs.publisher import Value
from sipmdcs.service import Service, run_service
from sipmdcs.site import Site

SERVICE = "alarms"

_WAIT_S = 0.5
"""Longest wait for reports, so that delays end on time."""

_MAX_PVS = 100
"""PVs that are taken in one transaction: a first page waits for that of others, then goes through its own."""

_MIN_REPORTS = 8
"""Reports of one PV that may wait to be taken; more if it alarms by their number."""

_CONNECTING_S = 60
"""PVs that have not connected after so long are no reason to collect no garbage."""

_LIMITS_S = 0.1
"""Wait for the limits that a page names; a page that is about a hanging IOC must not wait for it."""

_DEAD_LETTER_S = 3600
"""A dead letter is an alarm for so long; that alarm latches."""

_PERIOD_S = 1.0
"""Period of reminders and key figures."""

_log = logging.getLogger(__name__)


class AlarmService:
    """Everything one alarm service consists of."""

    def __init__(self, service: Service, configuration: Configuration, notify: NotifyFile, published: Published) -> None:
        site, clock, tree = service.site, service.clock, configuration.tree
        self._service = service
        self._clock = clock
        self._file = configuration.file
        self._store = Store(site.var / DATABASE_FILE, clock)
        alarms = Alarms(tree, clock, self._store.states(tree))
        paging = Paging(notify, tree, *self._store.incidents())
        self.handler = Handler(alarms, paging, self._store, published, service.publisher, clock)
        self._notify = notify
        self._domain = f"{site.file.prefix.lower()}.sipmdcs"
        self._outbox = Outbox(self._store.database, clock, self._domain)
        cause = partial(cause_of, tree=tree)
        self._pager = Pager(notify, site.folder, self._outbox, self._write, clock, cause)
        self.handler.on_notices = self._pager.wake
        self._application = Api(self.handler, self._store, self._outbox, notify).application()
        self._desk = Desk(site.file.name, ("sipmdcs", "--site", str(site.folder)), tree, summary_above=notify.summary_above)
        self._most = max([_MIN_REPORTS, *(2 * leaf.rules.count for leaf in tree.leaves.values())])
        self._intake = Intake(tree, self._most)
        self._metadata: MetadataCache | None = None
        self._monitor: Monitor | None = None
        self._figures: Mapping[str, Value] = {}
        self._figures_at = 0.0

    async def run(self, channels: Channels, captured: Captured) -> None:
        """Watch, show, page and answer until cancelled; ``channels`` and what they captured are closed then."""
        metadata = self._metadata = MetadataCache(channels)
        try:
            with kept_for_good():
                await self.handler.start()
            self._service.publisher.on_write(self.handler.published.acknowledge_pv, self._acknowledge_by_pv)
            masks = captured.masks
            monitor = self._monitor = Monitor(
                captured.of_values.names,
                metadata,
                self._clock,
                grace_s=self._file.disconnect_grace_s,
                connect_timeout_s=self._file.connect_timeout_s,
                most=self._most,
                mask_unheard=masks.unheard.__contains__,
            )
            watch = Watch(channels, monitor, masks, metadata, self._intake)
            http = self._service.site.file.alarms
            site = self._service.site
            edge = Edge(SERVICE, site.file.http, health=self._health, site=site.identity)
            started = asyncio.Event()
            async with asyncio.TaskGroup() as group:
                group.create_task(watch.run(captured.of_values, captured.of_masks), name="watch")
                group.create_task(self._take_all(watch.filled), name="take")
                group.create_task(self._pager.run(), name="pager")
                group.create_task(self._keep_time(monitor), name="time")
                group.create_task(_collect_no_garbage(monitor), name="start")
                group.create_task(
                    serve(self._application, listen(http.interface, http.port), edge, on_started=started.set), name="http"
                )
                await started.wait()
                self._service.ready()
        finally:
            channels.close()
            self._store.close()

    async def _take_all(self, filled: asyncio.Event) -> None:
        """Take what was reported, and alarms whose delay passed."""
        alarms = self.handler.alarms
        while True:
            if not self._intake:
                due = alarms.next_due()
                await wait_for_event(filled, _WAIT_S if due is None else min(due - self._clock.monotonic(), _WAIT_S))
            filled.clear()
            self._intake.expire(alarms.due())
            await self._take(self._intake.take(_MAX_PVS))
            await asyncio.sleep(0)  # what changes no alarm never waits, and everybody else wants a turn

    async def _take(self, taken: Taken) -> None:
        """Let reports take effect; a database that refuses is tried again, because an alarm must not be lost.

        If that takes long, everybody is told past the database.
        """
        work = partial(_let_take_effect, taken)
        since, distress = self._clock.monotonic(), None
        try:
            while True:
                try:
                    await self.handler.apply(work)
                except ServiceError as err:
                    _log.error("alarms are not up to date: %s", err)
                    if distress is None and self._clock.monotonic() - since >= WAIT_S:
                        distress = asyncio.create_task(self._call_for_help(str(err), taken), name="distress")
                    await asyncio.sleep(_PERIOD_S)
                else:
                    return
        finally:
            if distress is not None:
                distress.cancel()
                await asyncio.wait([distress])

    async def _call_for_help(self, problem: str, taken: Taken) -> None:
        site = self._service.site
        unstored = partial(self._unstored, taken)
        await Distress(self._desk.site, self._notify, site.folder, self._domain, self._clock, unstored).tell(problem)

    def _unstored(self, taken: Taken) -> Mapping[str, AlarmState]:
        """What would be in alarm if the database took what it refuses, and all that waits behind it."""
        draft = self.handler.alarms.draft()
        for reported in (taken, self._intake.look()):
            _let_take_effect(reported, draft)
        draft.expire(self.handler.alarms.due())
        alarms = {pv: draft.states[pv].alarm for pv in {change.leaf.pv for change in draft.changes if change.raised}}
        now_ns = self._clock.time_ns()
        for pv, state in draft.states.items():  # a delay begins anew in each draft
            delay_s = self.handler.alarms.tree.leaves[pv].rules.delay_s
            if state.pending is not None and now_ns - state.pending.state.time_ns >= delay_s * NS:
                alarms[pv] = state.pending.state
        return {pv: alarm for pv, alarm in alarms.items() if alarm.level.active}

    async def _keep_time(self, monitor: Monitor) -> None:
        """Reminders, alarms that are disabled until a time, key figures."""
        while True:
            try:
                await self.handler.follow_clock()
                await self.handler.apply(Draft.follow_time)
                await self.handler.remind()
                await self._post_figures(monitor)
            except ServiceError as err:
                _log.error("%s", err)
            await asyncio.sleep(_PERIOD_S)

    async def _post_figures(self, monitor: Monitor) -> None:
        backlog = await asyncio.to_thread(self._outbox.backlog)
        states, rollup = self.handler.alarms.states, self.handler.published.rollup
        figures: dict[str, Value] = {
            "PVS": len(states),
            "ACTIVE": rollup.unacknowledged(()),
            "ACKNOWLEDGED": rollup.alarms(()) - rollup.unacknowledged(()),
            "DISABLED": len(states) - rollup.enabled,
            "DISCONNECTED": len(monitor.disconnected),
            "CHANGES": self.handler.changes,
            "PAGES_SENT": backlog.sent,
            "PAGES_FAILED": self._pager.failures,
            "PAGES_PENDING": backlog.pending,
            "PAGES_DEAD": await asyncio.to_thread(self._outbox.dead_since, self._clock.time_ns() - _DEAD_LETTER_S * NS),
            "PAGE_AGE": round(age_s(backlog, self._clock.time_ns())),
        }
        self._service.publisher.post({self._service.pv(suffix): value for suffix, value in figures.items()})
        self._figures, self._figures_at = figures, self._clock.monotonic()

    def _health(self) -> Mapping[str, Any]:
        """The key figures as they were posted last, and how long ago, seconds; empty before the first."""
        age = self._clock.monotonic() - self._figures_at if self._figures else None
        return {"figures": {name.lower(): value for name, value in self._figures.items()}, "age_s": age}

    async def _acknowledge_by_pv(self, value: Value) -> None:
        text = str(value).strip()
        if not text:
            raise BadInput("empty, expected a path, a PV or a pattern of either")
        await self.handler.acknowledge([text], "Channel Access")

    async def _write(self, notices: Sequence[Notice]) -> Letter:
        """A mail; the limits that few alarms crossed are asked for, a storm is not kept waiting for that."""
        notices = [self._as_now(notice) for notice in notices]
        tree = self.handler.alarms.tree
        calls = [notice for notice in notices if notice.kind.calls and notice.pv in tree.leaves and not is_lost(notice)]
        limits: dict[str, str] = {}
        if self._metadata is not None and len(calls) <= self._desk.summary_above:
            pvs = dict.fromkeys(notice.pv for notice in calls)
            await asyncio.to_thread(self._metadata.refresh, pvs, _LIMITS_S)
            known = {pv: metadata for pv in pvs if (metadata := self._metadata.get(pv)) is not None}
            limits = {notice.pv: limit_text(notice.message, known[notice.pv]) for notice in calls if notice.pv in known}
        desk = replace(self._desk, limits=limits)
        if len(notices) > self._desk.summary_above:
            return await asyncio.to_thread(write_letter, notices, desk)  # of thousands: others must get their turn meanwhile
        return write_letter(notices, desk)

    def _as_now(self, notice: Notice) -> Notice:
        """An alarm that waited to be told, with the reason and value it has by now."""
        state = self.handler.alarms.states.get(notice.pv)
        if state is None or not notice.kind.calls or state.alarm.level is not notice.level:
            return notice
        alarm = state.alarm
        return replace(notice, message=alarm.message, value=alarm.value, pv_time_ns=alarm.time_ns)


def _let_take_effect(taken: Taken, draft: Draft) -> None:
    draft.expire(taken.pvs)
    draft.mask(taken.masks)
    for pv, received in taken.reports:
        draft.update(pv, received)


async def _collect_no_garbage(monitor: Monitor) -> None:
    """What PVs say first stays: the collector need not go through it while they connect."""
    with kept_for_good():
        for _ in range(round(_CONNECTING_S / _WAIT_S)):
            if not monitor.disconnected:
                return
            await asyncio.sleep(_WAIT_S)


async def run_alarms(site: Site, channels: Channels) -> None:
    """Run the alarm service of a site until it is told to end.

    Raises:
        BadInput: ``alarms.yaml``, ``notify.yaml`` or a record cannot be used.
        ServiceError: the database or the HTTP port cannot be used.
    """
    with kept_for_good():
        configuration = load_configuration(site)
        notify = load_notify(site.folder)
        # PVs connect while all else is made ready.
        capturing = asyncio.get_running_loop().run_in_executor(None, capture_all, channels, configuration.tree)
        published = Published(site.file.prefix, configuration.tree, banner_rows=configuration.file.banner_rows)
        records = [*site.service_records(SERVICE), *published.area_records(site.find_template("alarm_area.template"))]
        states = published.state_records(site.find_template("alarm_node.template"))
        captured = await capturing
    if not notify.routes:
        _log.warning("notify.yaml has no routes: nobody is paged")
    try:
        check_routes(notify, configuration.tree, site.folder)
    except BadInput as err:  # no reason to leave a detector without alarms
        _log.warning("%s: it pages nobody", err)
    _log.info("%d PVs in the alarm tree of %s", len(configuration.tree.leaves), site.file.name)

    async def body(service: Service) -> None:
        await AlarmService(service, configuration, notify, published).run(channels, captured)

    await run_service(site, SERVICE, records, body, on_demand=states)
