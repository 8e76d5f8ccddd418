"""The HTTP service as an ASGI application."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette

from archiver.bpl import Bpl
from archiver.replies import ERROR_HANDLERS
from archiver.retrieval import Retrieval
from archiver.served import Served
from sipmdcs.http.edge import Edge
from sipmdcs.http.limits import Limits
from sipmdcs.site import HttpEdge
from sipmdcs.threads import started_pool

_THREADS = 8
"""Queries at a time: more would only share the processor and add up their memory."""
_THREADS_OF_SERVICE = 4
_LIMITS = Limits(
    body_bytes=256_000,  # the names of 2,000 PVs
    work=_THREADS,
    work_per_client=6,
    stuck=8,
)


@asynccontextmanager
async def _threads_for_all(app: Starlette) -> AsyncIterator[None]:
    """As many for ``asyncio.to_thread`` as there are turns, whatever the number of processors, and some for the service."""
    asyncio.get_running_loop().set_default_executor(started_pool(_THREADS + _THREADS_OF_SERVICE, "archiver"))
    yield


def make_app(served: Served) -> Starlette:
    """The application over one archive."""
    routes = [*Retrieval(served).routes(), *Bpl(served).routes()]
    return Starlette(routes=routes, exception_handlers=dict(ERROR_HANDLERS), lifespan=_threads_for_all)


def make_edge(served: Served, settings: HttpEdge, site: str = "") -> Edge:
    """What stands before it; requests for another site than ``site`` are refused, if it is one."""
    return Edge("archiver", settings, health=lambda: {"figures": dict(served.figures())}, limits=_LIMITS, site=site)
