"""What the supervisor knows, as PVs: the service ``supervisor``.

A process of its own, so that neither supervisord nor the keeper depends on Channel Access.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from sipmdcs.errors import ServiceError
from sipmdcs.publisher import Value
from sipmdcs.service import Service, run_service
from sipmdcs.severity import Status
from sipmdcs.site import Site
from sipmdcs.supervise.programs import programs
from sipmdcs.supervise.status import ServiceStatus, State, supervised_services

NAME = "supervisor"
PERIOD_S = 2.0

_log = logging.getLogger(__name__)


def publish(site: Site) -> None:
    """Serve until SIGTERM."""
    asyncio.run(run_service(site, NAME, site.service_records(NAME), _body))


def key_figures(services: Sequence[ServiceStatus]) -> dict[str, Value]:
    """Values by the last part of the PV name."""
    worst = max(services, key=lambda service: service.restarts, default=None)
    return {
        "PROCESSES": len(services),
        "RUNNING": sum(service.state is State.RUNNING for service in services),
        "DOWN": sum(service.state in (State.WAITING, State.STOPPED) for service in services),
        "RESTARTS": sum(service.restarts for service in services),
        "HANGS": sum(service.hangs for service in services),
        "WORST": worst.name if worst is not None and worst.restarts else "",
    }


async def _body(service: Service) -> None:
    wanted = programs(service.site)
    names = [service.pv(suffix) for suffix in key_figures([])]
    answered = True
    service.ready()
    while True:
        try:
            services = await asyncio.to_thread(supervised_services, service.site, wanted)
        except ServiceError as err:
            if answered:
                _log.error("%s", err)
            answered = False
            service.publisher.invalidate(names, Status.COMM)
        else:
            answered = True
            service.publisher.post({service.pv(suffix): value for suffix, value in key_figures(services).items()})
        await asyncio.sleep(PERIOD_S)
