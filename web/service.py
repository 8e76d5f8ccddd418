"""The web service as a process: sources, HTTP interface and key figures together."""

from __future__ import annotations

import asyncio
import logging

from sipmdcs import __version__
from sipmdcs.http.metrics import Metrics
from sipmdcs.http.server import listen, serve
from sipmdcs.publisher import Value
from sipmdcs.service import Service, run_service
from sipmdcs.site import Site
from web.app import make_app, make_edge
from web.bulkhead import OK
from web.live import open_monitors
from web.live_rows import live_names
from web.plant import read_plant
from web.sources import Sources, open_sources

logger = logging.getLogger(__name__)

NAME = "web"
_FIGURES_S = 1.0
_RATE_WINDOW_S = 60


async def run_web(site: Site) -> None:
    """Run the web service of a site until it is told to end.

    Raises:
        BadInput: the site, a record or the database URL cannot be used.
        ServiceError: the HTTP port cannot be used.
    """
    logging.getLogger("httpx").setLevel(logging.WARNING)  # it logs every request
    plant = await asyncio.to_thread(read_plant, site)

    async def body(service: Service) -> None:
        sock = listen(site.file.web.interface, site.file.web.port)
        monitors = await asyncio.to_thread(open_monitors, live_names(plant))
        sources = open_sources(site, plant, monitors, service.clock)
        edge = make_edge(site.file.http, lambda: {"version": __version__, "sources": dict(sources.health())})
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(serve(make_app(site.file.name, sources.catalogue), sock, edge), name="http")
                group.create_task(_report(service, sources, edge.metrics), name="figures")
                service.ready()
        finally:
            sock.close()
            await asyncio.to_thread(sources.close)

    await run_service(site, NAME, site.service_records(NAME), body)


async def _report(service: Service, sources: Sources, metrics: Metrics) -> None:
    failures = [0]
    while True:
        figures: dict[str, Value] = {
            "REQUESTS": metrics.requests,
            "ACTIVE": metrics.active,
            "ERRORS_4XX": metrics.refused,
            "ERRORS_5XX": metrics.failed,
            "ERRORS_5XX_RATE": metrics.failed - failures[0],
            "LATENCY": metrics.take_longest_s() * 1000,
            "DATABASE": int(sources.database.bulkhead.state == OK),
            "PVS_CONNECTED": sources.live.connected,
            "PVS": sources.live.size,
        }
        service.publisher.post({service.pv(suffix): value for suffix, value in figures.items()})
        failures = [*failures, metrics.failed][-_RATE_WINDOW_S:]
        await asyncio.sleep(_FIGURES_S)
