"""The service ``agents``: soft IOC and host in one process."""

from __future__ import annotations

import asyncio
import logging

from agents.carried import Carried
from agents.host import Host
from agents.records import records_of, servable
from agents.roster import Roster, muster
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
        roster: Roster | None = servable(site, await asyncio.to_thread(muster, site))
        before: Carried | None = None
        while roster is not None:
            roster, before = await _run_once(site, channels, roster, before)
    finally:
        channels.close()


async def _run_once(
    site: Site, channels: Channels, roster: Roster, before: Carried | None
) -> tuple[Roster | None, Carried | None]:
    """Serve the agents there are; those to go on with, if there are others now, and what these leave to them."""
    own = site.service_records(SERVICE, SERVICE)
    hosts: list[Host] = []

    async def body(service: Service) -> None:
        hosts.append(Host(service, roster, channels, before))
        await hosts[0].run()

    _log.info("%d agents at %s", len(roster.members), site.file.name)
    await run_service(site, SERVICE, [*own, *records_of(site, roster)], body)
    return (hosts[0].successors, hosts[0].carried) if hosts else (None, None)
