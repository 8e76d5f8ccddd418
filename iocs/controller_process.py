"""One IOC process: a record server with the controllers of a site that belong to it."""

from __future__ import annotations

import asyncio
import importlib
from pathlib import Path

from iocs.controller import Controller
from iocs.controller_commands import Commands
from iocs.controller_records import SetPoints, records_of
from iocs.drivers.driver import Driver
from iocs.drivers.port import endpoint_source
from iocs.loop_lag import LoopLag
from iocs.publisher import open_record_server
from iocs.sole import sole_process
from sipmdcs.clock import Clock, SystemClock
from sipmdcs.controllers import controller_type
from sipmdcs.epicsdb import Record
from sipmdcs.errors import BadInput
from sipmdcs.publisher import Publisher
from sipmdcs.service import Service, run_service
from sipmdcs.site import SITE_FILE, Site
from sipmdcs.yamlfile import bad_key


def build_controller(
    site: Site, name: str, records: list[Record], publisher: Publisher, clock: Clock, lag: LoopLag | None = None
) -> Controller:
    """A controller of the site with its write handlers in place, not connected yet.

    Raises:
        BadInput: its driver is not installed, its port makes no sense, or it has no records or such as do not fit.
    """
    entry = site.file.controllers[name]
    module, _, attribute = controller_type(entry.driver).driver.partition(":")
    set_points = SetPoints(records_of(name, records), publisher)
    try:
        source = endpoint_source(entry.port, site.simulator_endpoint(name))
    except BadInput as err:
        raise bad_key(site.folder / SITE_FILE, ("controllers", name, "port"), err.message) from err
    if not set_points.records.names:
        raise BadInput(
            f"no record is bound to {name}; run: sipmdcs config render",
            file=site.rendered / f"{site.ioc_of(name)}.substitutions",
        )
    driver: Driver = getattr(importlib.import_module(module), attribute)(source, set_points)
    controller = Controller(name, driver, set_points, publisher, clock, lag)
    Commands(controller, publisher)
    return controller


async def run_ioc(site: Site, name: str) -> None:
    """Run one IOC process until it is stopped; the controllers keep their voltages.

    Raises:
        BadInput: the site has no such IOC, or its records cannot be served.
        ServiceError: this IOC runs already.
    """
    if name not in site.file.iocs:
        raise BadInput(f"no IOC {name}, the site has {', '.join(site.file.iocs)}")
    autosave = site.var / "autosave" / f"{name}.sav"
    async with sole_process(autosave.with_suffix(".lock"), f"IOC {name}"):
        await _run(site, name, autosave)


async def _run(site: Site, name: str, autosave: Path) -> None:
    records = site.ioc_records(name)
    server = open_record_server(records, site.access_file, autosave=autosave)
    clock = SystemClock()
    lag = LoopLag(clock)
    controllers = [build_controller(site, own, records, server, clock, lag) for own in site.file.iocs[name].controllers]

    async def body(service: Service) -> None:
        await asyncio.gather(*(controller.cycle() for controller in controllers))
        service.ready()
        async with asyncio.TaskGroup() as group:
            group.create_task(lag.run(), name="lag")
            for controller in controllers:
                group.create_task(controller.run(), name=controller.name)

    await run_service(site, name, records, body, publisher=server, clock=clock)
