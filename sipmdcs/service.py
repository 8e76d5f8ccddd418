"""What every long-running process does besides its own work: service PVs, clean end, word that it is ready.

A service is one coroutine, its body::

    async def body(service: Service) -> None:
        ...                                  # connect, load, open
        service.ready()                      # now `up` counts it as running
        while True:
            service.publisher.post({service.pv("SAMPLES"): n})

    asyncio.run(run_service(site, "archiver", site.service_records("archiver"), body))
"""

from __future__ import annotations

import asyncio
import faulthandler
import json
import logging
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from sipmdcs.clock import Clock, SystemClock
from sipmdcs.epicsdb import Record
from sipmdcs.logs import ErrorCounter
from sipmdcs.notify import Notifier
from sipmdcs.publisher import Publisher, open_publisher
from sipmdcs.site import Site
from sipmdcs.threads import started_pool
from sipmdcs.vital_signs import VitalSigns

_READY_RETRY_S = 5.0
"""Pause after the ready file could not be written."""

_THREADS = 6
"""For work of a service that blocks."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Service:
    """What the body of a service works with."""

    site: Site
    name: str
    """Name of the IOC or service in ``site.yaml``."""
    publisher: Publisher
    """Serves the service's records."""
    clock: Clock
    notifier: Notifier = field(default_factory=Notifier)
    """Tells the supervisor that the process lives."""

    def pv(self, suffix: str) -> str:
        """Full name of one of the service's own PVs."""
        return f"{self.site.service_prefix(self.name)}:{suffix}"

    def ready(self) -> None:
        """Tell the supervisor that the service does its work from now on; tried again while the disk takes no file."""
        self.notifier.ready()
        path = ready_file(self.site, self.name)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps({"pid": os.getpid(), "time_ns": self.clock.time_ns()}), "utf-8")
        except OSError as err:
            _log.error("%s does its work, but cannot say so: %s: %s", self.name, path, err.strerror)
            asyncio.get_running_loop().call_later(_READY_RETRY_S, self.ready)
            return
        _log.info("%s is ready", self.name)


Body = Callable[[Service], Awaitable[None]]
"""Runs until cancelled; calls ``Service.ready`` once its work goes on. If it returns, the service ends."""


def ready_file(site: Site, name: str) -> Path:
    """Present while the service is ready; holds the ``pid`` of the process and when it said so."""
    return site.var / "run" / f"{name}.ready"


class _Stop(Exception):
    """Ends the task group of a service."""


async def run_service(
    site: Site,
    name: str,
    records: Iterable[Record],
    body: Body,
    *,
    publisher: Publisher | None = None,
    clock: Clock | None = None,
    on_demand: Mapping[str, Record] | None = None,
) -> None:
    """Serve ``records`` and run ``body`` until SIGTERM, cancellation, or the end of ``body``.

    Args:
        site: the installation.
        name: of the IOC or service, as in ``site.yaml``.
        records: what the service publishes; ``service.template`` for its own prefix is among them.
        body: the work.
        publisher: a server made by the caller; ``records`` are then not loaded again.
        clock: the machine's own if left out.
        on_demand: more records; see ``open_publisher``.

    Raises:
        BadInput: a record cannot be served.
        ServiceError: no server is installed, or it cannot listen.
        ExceptionGroup: what ``body`` or the server raised.
    """
    server = publisher if publisher is not None else open_publisher(records, site.access_file, on_demand=on_demand)
    service = Service(site, name, server, clock or SystemClock())
    stopping = asyncio.Event()
    asyncio.get_running_loop().set_default_executor(started_pool(_THREADS, name))
    if sys.__stderr__ is not None:
        faulthandler.enable(sys.__stderr__)  # a process that hangs is ended by SIGABRT: its log then says where it was
    with _count_errors() as errors, _on_sigterm(stopping), _ready_file_cleared(service):
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(server.run(), name="publisher")
                group.create_task(service.notifier.stay_alive(), name="signs of life")
                group.create_task(VitalSigns(server, service.pv, service.clock, errors).run(), name="vital signs")
                group.create_task(_stop_after(stopping.wait()), name="stop on SIGTERM")
                group.create_task(_stop_after(body(service)), name="body")
        except* _Stop:
            _log.info("%s stops", name)


async def _stop_after(work: Awaitable[object]) -> None:
    await work
    raise _Stop


@contextmanager
def _count_errors() -> Iterator[ErrorCounter]:
    counter = ErrorCounter()
    logging.getLogger().addHandler(counter)
    try:
        yield counter
    finally:
        logging.getLogger().removeHandler(counter)


@contextmanager
def _on_sigterm(stopping: asyncio.Event) -> Iterator[None]:
    # SIGINT needs nothing: asyncio.run cancels the main task and raises KeyboardInterrupt, which the command line knows.
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stopping.set)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGTERM)


@contextmanager
def _ready_file_cleared(service: Service) -> Iterator[None]:
    path = ready_file(service.site, service.name)
    path.unlink(missing_ok=True)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
