"""The service ``analysis``: raw results in, rows and PVs out, through whatever stops and comes back meanwhile."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence

from analysis.chain.dispatcher import Dispatcher
from analysis.chain.figures import FROM_DATABASE, Figures
from analysis.chain.intake import MOST_FILES, waiting
from analysis.chain.ledger import Ledger
from analysis.chain.owners import own_name
from analysis.chain.patience import Patience
from analysis.chain.pool import Pool
from analysis.chain.putter import put_all
from analysis.chain.settings import read_settings
from analysis.chain.task import Work
from sipmdcs.channels import Channels, open_channels
from sipmdcs.database import make_engine
from sipmdcs.errors import ServiceError
from sipmdcs.service import Service, run_service
from sipmdcs.severity import Status
from sipmdcs.site import Site

NAME = "analysis"

_LOOK_S = 0.1
"""Between two looks into the inbox."""

_BEAT_S = 1.0
_FIGURES_S = 1.0
_PUT_AGAIN_S = 5.0
"""Between two tries to reach PVs that are away."""

_log = logging.getLogger(__name__)


class AnalysisService:
    """Everything that one service consists of."""

    def __init__(self, service: Service, ledger: Ledger, pool: Pool, channels: Channels) -> None:
        self._service = service
        self._raw_folder = service.site.raw_folder
        self._ledger = ledger
        self._pool = pool
        self._channels = channels
        self._figures = Figures(self._raw_folder)
        self._dispatcher = Dispatcher(ledger, pool, self._raw_folder, self._stored)
        self._results = asyncio.Event()
        self._alive = Patience("database")

    async def run(self) -> None:
        """Work until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._alive.forever(self._keep_alive), name="keep alive")
                group.create_task(Patience("figures").forever(self._post), name="figures")
                self._service.ready()
                await self._ledger.open()
                group.create_task(Patience("inbox").forever(self._look_into_inbox), name="inbox")
                group.create_task(self._dispatcher.run(), name="dispatcher")
                group.create_task(Patience("putting results").forever(self._put), name="put")
        finally:
            await self._end()

    async def _end(self) -> None:
        try:
            await self._ledger.leave()
        except ServiceError as err:  # whoever comes next finds out that we are gone
            _log.warning("jobs of this service stay marked as running: %s", err)
        await self._pool.close()
        self._channels.close()

    async def _keep_alive(self) -> None:
        await self._ledger.keep_alive()
        await asyncio.sleep(_BEAT_S)

    async def _look_into_inbox(self) -> None:
        files = await asyncio.to_thread(waiting, self._raw_folder)
        for start in range(0, len(files), MOST_FILES):
            if await self._ledger.take_in(self._raw_folder, files[start : start + MOST_FILES]):
                self._dispatcher.wake()
        await asyncio.sleep(_LOOK_S)

    def _stored(self, works: Sequence[Work]) -> None:
        self._figures.stored(works)
        self._results.set()

    async def _put(self) -> None:
        self._results.clear()
        items = await self._ledger.pending()
        if items:
            said = await asyncio.to_thread(put_all, self._channels, items)
            await self._ledger.note(said)
            self._figures.put(sum(not error for error in said.values()))
        try:
            await asyncio.wait_for(self._results.wait(), _PUT_AGAIN_S)
        except TimeoutError:
            return

    async def _post(self) -> None:
        begin = time.monotonic()
        files = await asyncio.to_thread(waiting, self._raw_folder)
        refused = await asyncio.to_thread(lambda: len(list((self._raw_folder / "refused").glob("*.reason"))))
        try:
            state = await self._ledger.state() if self._ledger.is_open else None
        except ServiceError:  # "keep alive" says so
            state = None
        try:
            threads = await self._pool.threads()
        except ServiceError:  # the dispatcher says so
            threads = 0
        service = self._service
        values = self._figures.values(state, files, threads, refused)
        service.publisher.post({service.pv(suffix): value for suffix, value in values.items()})
        if state is None:
            service.publisher.invalidate([service.pv(suffix) for suffix in FROM_DATABASE], Status.COMM)
        await asyncio.sleep(max(0.0, _FIGURES_S - (time.monotonic() - begin)))


async def run_analysis(site: Site) -> None:
    """Run the analysis of a site until it is told to end.

    Raises:
        BadInput: the site's ``analysis.yaml`` or a record cannot be used.
    """
    settings = read_settings(site)
    engine = make_engine(site.database_url)

    async def body(service: Service) -> None:
        ledger = Ledger(engine, settings, service.clock, own_name())
        pool = Pool(site.file.analysis, settings.worker_count)
        await AnalysisService(service, ledger, pool, open_channels()).run()

    try:
        await run_service(site, NAME, site.service_records(NAME), body)
    finally:
        engine.dispose()
