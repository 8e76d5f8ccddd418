"""An ASGI application served inside the event loop of a service."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import uvicorn
from starlette.applications import Starlette

from sipmdcs.errors import ServiceError


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, on_started: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_started = on_started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._on_started()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        # Signals belong to the service, which ends the server by cancelling it.
        yield


async def serve(application: Starlette, interface: str, port: int, started: asyncio.Event) -> None:
    """Serve until cancelled; sets ``started`` once requests are answered.

    Raises:
        ServiceError: the port is taken or the interface is not of this machine.
    """
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((interface, port))
    except OSError as err:
        listener.close()
        raise ServiceError(f"cannot listen on {interface}:{port}: {err.strerror}") from err
    config = uvicorn.Config(application, log_config=None, access_log=False, lifespan="off", ws="none")
    server = _Server(config, started.set)
    work = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        await asyncio.shield(work)
    except asyncio.CancelledError:
        server.should_exit = True
        server.force_exit = True
        await work
        raise
    finally:
        listener.close()
