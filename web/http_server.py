"""Serving HTTP inside an asyncio program that has its own idea of signals."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator

import uvicorn
from starlette.types import ASGIApp

from sipmdcs.errors import ServiceError
from web.http_protocol import BoundedProtocol

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
        sock.listen(_BACKLOG)
    except OSError as err:
        sock.close()
        raise ServiceError(f"HTTP cannot be served at {interface}:{port}: {err.strerror}") from err
    return sock


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield  # the program around us handles signals


async def serve(app: ASGIApp, sock: socket.socket) -> None:
    """Serve until cancelled; then finish what is under way and close the socket."""
    config = uvicorn.Config(
        app,
        http=BoundedProtocol,
        log_config=None,
        access_log=False,
        server_header=False,
        lifespan="on",
        timeout_graceful_shutdown=_GRACE_S,
        ws="none",
    )
    server = _Server(config)
    task = asyncio.create_task(server.serve(sockets=[sock]))
    try:
        await asyncio.shield(task)
    finally:
        server.should_exit = True
        await task
        sock.close()
