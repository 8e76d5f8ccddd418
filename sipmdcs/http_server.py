"""An ASGI application served inside the event loop of a service, which has its own idea of signals."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import uvicorn
from starlette.types import ASGIApp

from sipmdcs.errors import ServiceError

_BACKLOG = 256
_GRACE_S = 2
"""Answers that are under way when the service stops get this long."""


def listen(interface: str, port: int) -> socket.socket:
    """A socket to serve on; port 0 takes any that is free.

    Raises:
        ServiceError: something else listens there, or the interface is not of this machine.
    """
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((interface, port))
        sock.listen(_BACKLOG)  # so that who comes before the first answer waits and is not refused
    except OSError as err:
        sock.close()
        raise ServiceError(f"HTTP cannot be served at {interface}:{port}: {err.strerror}") from err
    return sock


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


async def serve(
    application: ASGIApp,
    sock: socket.socket,
    *,
    on_started: Callable[[], None] = lambda: None,
    protocol: type[asyncio.Protocol] | None = None,
) -> None:
    """Serve until cancelled; then finish what is under way and close the socket.

    Args:
        application: what answers.
        sock: from ``listen``.
        on_started: called once requests are answered.
        protocol: speaks HTTP in place of uvicorn's own.
    """
    config = uvicorn.Config(
        application,
        http=protocol or "auto",
        log_config=None,
        access_log=False,
        server_header=False,
        lifespan="on",
        timeout_graceful_shutdown=_GRACE_S,
        ws="none",
    )
    server = _Server(config, on_started)
    work = asyncio.create_task(server.serve(sockets=[sock]))
    try:
        await asyncio.shield(work)
    finally:
        server.should_exit = True
        await work
        sock.close()
