"""The archiver as a process: engine, HTTP service and key figures together."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable, Mapping
from pathlib import Path

from archiver.app import make_app, make_edge
from archiver.engine import Engine
from archiver.figures import Figures
from archiver.log import LogLimits
from archiver.policy import aliases, policies, read_archiver_file
from archiver.query_meter import QueryMeter
from archiver.served import Served
from archiver.storage import Storage
from sipmdcs.channels import Channels, open_channels
from sipmdcs.clock import SystemClock
from sipmdcs.errors import ServiceError
from sipmdcs.http.server import listen, serve
from sipmdcs.pvinfo import ArchivePolicy
from sipmdcs.service import Service, run_service
from sipmdcs.site import HttpEdge, Site

logger = logging.getLogger(__name__)

NAME = "archiver"
_FIGURES_S = 1.0

Report = Callable[[Mapping[str, float | int]], None]
"""Is told the key figures once a second."""


async def archive(
    storage: Storage,
    channels: Channels,
    wanted: Mapping[str, ArchivePolicy],
    sock: socket.socket,
    *,
    edge: HttpEdge | None = None,
    site: str = "",
    aliases: Mapping[str, str] | None = None,
    report: Report = lambda figures: None,
    ready: Callable[[], None] = lambda: None,
) -> None:
    """Archive PVs and serve their history until cancelled.

    Args:
        storage: opened and not started; closed at the end.
        channels: Channel Access; closed at the end.
        wanted: PVs and how to archive them.
        sock: where to serve HTTP.
        edge: what HTTP lets in.
        site: identity of the site, if it is the archiver of one.
        aliases: name of the PV by alias; if left out, records are asked for their names.
        report: told the key figures once a second.
        ready: called once when samples are taken and HTTP is served.

    Raises:
        ServiceError: a thread of the engine failed.
    """
    engine: Engine | None = None
    try:
        engine = await asyncio.to_thread(Engine, storage, channels, wanted, aliases)
        engine.start()
        logger.info("%d PVs are archived in %s", engine.size, storage.folder)
        meter = QueryMeter()
        figures = Figures(engine, storage, meter)
        served = Served(
            storage.catalogue,
            storage.reader,
            storage.clock,
            activity=engine.activity,
            compact=storage.log.request_seal,
            figures=lambda: figures.latest,
            meter=meter,
        )
        async with asyncio.TaskGroup() as group:
            group.create_task(serve(make_app(served), sock, make_edge(served, edge or HttpEdge(), site)), name="http")
            group.create_task(_report(engine, figures, report), name="figures")
            group.create_task(_look_at_disk(figures), name="disk")
            ready()
    finally:
        if engine is not None:
            await asyncio.to_thread(engine.stop)
        channels.close()
        sock.close()
        _close(storage)


async def _report(engine: Engine, figures: Figures, report: Report) -> None:
    while True:
        if engine.failed.is_set():
            raise ServiceError(f"the archiver cannot go on: {engine.failure}") from engine.failure
        report(figures.measure())
        await asyncio.sleep(_FIGURES_S)


async def _look_at_disk(figures: Figures) -> None:
    """Apart from the other figures, which go on while a disk hangs."""
    while True:
        try:
            await asyncio.to_thread(figures.look_at_disk)
        except (OSError, ServiceError) as err:
            logger.warning("the size of the archive cannot be measured: %s", err)
        await asyncio.sleep(_FIGURES_S)


def _close(storage: Storage) -> None:
    try:
        storage.close()
    except OSError as err:
        logger.error("%s: what came in last could not be written: %s", storage.folder, err)  # noqa: TRY400 - no traceback


async def run_archiver(site: Site) -> None:
    """Run the archiver of a site until it is told to end.

    Raises:
        BadInput: the site's ``archiver.yaml`` or a record cannot be used.
        ServiceError: the archive or the HTTP port cannot be used.
    """
    file = read_archiver_file(site)
    records = [record for _, record in site.all_records()]
    wanted = policies(records, file.policies)
    own = site.service_records(NAME)

    async def body(service: Service) -> None:
        def report(figures: Mapping[str, float | int]) -> None:
            service.publisher.post({service.pv(suffix): value for suffix, value in figures.items()})

        storage = await asyncio.to_thread(Storage, site.archive_folder, service.clock, LogLimits(segment_s=file.compact_s))
        http = site.file.archiver
        sock = listen(http.interface, http.port)
        edge, names = site.file.http, aliases(records)
        await archive(
            storage,
            open_channels(),
            wanted,
            sock,
            edge=edge,
            site=site.identity,
            aliases=names,
            report=report,
            ready=service.ready,
        )

    await run_service(site, NAME, own, body)


async def run_alone(wanted: Mapping[str, ArchivePolicy], folder: Path, interface: str, port: int) -> None:
    """Archive a list of PVs without a site, until cancelled.

    Raises:
        ServiceError: the archive or the HTTP port cannot be used.
    """
    sock = listen(interface, port)
    storage = Storage(folder, SystemClock())
    logger.info("history is served at http://%s:%d", *sock.getsockname())
    await archive(storage, open_channels(), wanted, sock)
