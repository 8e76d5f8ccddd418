"""The service ``agents``: soft IOC and host in one process."""

from __future__ import annotations

import asyncio
import logging

from agents.host import Host
from agents.records import records_of, servable
from agents.roster import muster
from sipmdcs.channels import Channels
from sipmdcs.service import Service, run_service
from sipmdcs.site import Site

SERVICE = "agents"

_log = logging.getLogger(__name__)


async def run_agents(site: Site, channels: Channels) -> None:
    """Run the agents of a site until told to end.

    Raises:
        BadInput: ``agents.yaml`` or a record of the service cannot be used.
        ServiceError: Channel Access cannot be served.
    """
    try:
        while await _run_once(site, channels):
            pass
    finally:
        channels.close()


async def _run_once(site: Site, channels: Channels) -> bool:
    """Serve the agents there are; whether to go on because there are others now."""
    roster = servable(site, await asyncio.to_thread(muster, site))
    own = site.service_records(SERVICE, SERVICE)
    again = False

    async def body(service: Service) -> None:
        nonlocal again
        await Host(service, roster, channels).run()
        again = True

    _log.info("%d agents at %s", len(roster.members), site.file.name)
    await run_service(site, SERVICE, [*own, *records_of(site, roster)], body)
    return again
