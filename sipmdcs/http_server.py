"""An ASGI application served inside the event loop of a service."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import uvicorn
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sipmdcs.errors import ServiceError

_GRACE_S = 2
"""Answers that are under way when the service stops get this long."""
_MOST_IGNORED = 64_000_000
"""Bytes of a body that is too large that are taken and forgotten before the connection is closed."""


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


async def serve(application: ASGIApp, interface: str, port: int, started: asyncio.Event) -> None:
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
    config = uvicorn.Config(
        application,
        log_config=None,
        access_log=False,
        server_header=False,
        lifespan="off",
        ws="none",
        timeout_graceful_shutdown=_GRACE_S,
    )
    server = _Server(config, started.set)
    work = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        await asyncio.shield(work)
    except asyncio.CancelledError:
        server.should_exit = True
        await work
        raise
    finally:
        listener.close()


class _TooLarge(Exception):
    """The body goes beyond the limit."""


class BodyLimit:
    """Refuses requests whose body is too large, with status 413, before it is in memory."""

    def __init__(self, application: ASGIApp, limit: int) -> None:
        """Put it around ``application``.

        Args:
            application: what answers the others.
            limit: of the body, bytes.
        """
        self._application = application
        self._limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection, as ASGI asks."""
        if scope["type"] != "http":
            await self._application(scope, receive, send)
            return
        size = 0
        more = True
        answering = False

        async def counted() -> Message:
            nonlocal size, more
            message = await receive()
            size += len(message.get("body", b""))
            more = message.get("more_body", False)
            if size > self._limit:
                raise _TooLarge
            return message

        async def noted(message: Message) -> None:
            nonlocal answering
            answering = True
            await send(message)

        try:
            await self._application(scope, counted, noted)
        except _TooLarge:
            # Who is still sending does not listen yet: an answer before the end would be lost with the connection.
            while more and size < self._limit + _MOST_IGNORED:
                message = await receive()
                size += len(message.get("body", b""))
                more = message.get("more_body", False)
            if not answering:
                await self._refuse(send)

    async def _refuse(self, send: Send) -> None:
        body = json.dumps({"error": f"the body is larger than {self._limit} bytes"}).encode()
        headers = [(b"content-type", b"application/json"), (b"connection", b"close")]
        await send({"type": "http.response.start", "status": 413, "headers": headers})
        await send({"type": "http.response.body", "body": body})
