"""The HTTP service as an ASGI application."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio.to_thread
from starlette.applications import Starlette

from archiver.bpl import Bpl
from archiver.replies import ERROR_HANDLERS
from archiver.retrieval import Retrieval
from archiver.served import Served

_THREADS = 8
"""Queries at a time: more would only share the processor and add up their memory."""


@asynccontextmanager
async def _few_threads(app: Starlette) -> AsyncIterator[None]:
    anyio.to_thread.current_default_thread_limiter().total_tokens = _THREADS
    yield


def make_app(served: Served) -> Starlette:
    """The application over one archive."""
    routes = [*Retrieval(served).routes(), *Bpl(served).routes()]
    return Starlette(routes=routes, exception_handlers=dict(ERROR_HANDLERS), lifespan=_few_threads)
