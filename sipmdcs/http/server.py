"""An ASGI application served inside the event loop of a service, which has its own idea of signals."""

from __future__ import annotations

import asyncio
import logging
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import uvicorn
from starlette.types import ASGIApp

from sipmdcs.errors import ServiceError
from sipmdcs.http.accepting import Acceptor
from sipmdcs.http.connections import ConnectionTable
from sipmdcs.http.edge import Edge
from sipmdcs.http.protocol import EdgeProtocol, Rules

_BACKLOG = 1024
_GRACE_S = 2
"""Answers that are under way when the service stops get this long."""
_TICKS = 5
"""Deadlines are looked at each half second, uvicorn's tick being a tenth."""
_SWITCH_S = 0.0005
"""A thread that computes gives the interpreter to one that waits after this time; Python's own 5 ms are seen in every reply."""
_FAR_S = 86_400
"""uvicorn's own time limit of idle connections, out of the way of ours."""


def listen(interface: str, port: int) -> socket.socket:
    """A socket to serve on; port 0 takes any that is free.

    Raises:
        ServiceError: something else listens there, or the interface is not of this machine.
    """
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((interface, port))
        sock.listen(_BACKLOG)  # so that who comes before the first answer waits and is not refused
    except OSError as err:
        sock.close()
        raise ServiceError(f"HTTP cannot be served at {interface}:{port}: {err.strerror}") from err
    return sock


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, edge: Edge, on_started: Callable[[], None]) -> None:
        super().__init__(config)
        self._edge = edge
        self._on_started = on_started
        limits = edge.limits
        self._table: ConnectionTable[EdgeProtocol] = ConnectionTable(
            limits.connections, limits.connections_per_address, edge.proxies
        )
        edge.metrics.watch_connections(self._table.__len__)
        self._rules = Rules(limits, edge.body_bytes, edge.refusal, edge.metrics, self._table)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await self.lifespan.startup()
        if self.lifespan.should_exit:
            raise ServiceError("the HTTP application does not start; the log has more")
        self.servers = [Acceptor(sock, self._table, self._edge.metrics, self._protocol) for sock in sockets or ()]  # type: ignore[misc]
        self.started = True
        self._on_started()

    def _protocol(self, address: str) -> EdgeProtocol:
        return EdgeProtocol(
            self._rules, address, config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )

    async def on_tick(self, counter: int) -> bool:
        if counter % _TICKS == 0:
            now = time.monotonic()
            for connection in self._table:
                connection.look(now)
        self._edge.slots.displace()
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await super().shutdown(sockets)
        for connection in self._table:
            connection.cut("end of the service")
        await asyncio.sleep(0)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        # Signals belong to the service, which ends the server by cancelling it.
        yield


async def serve(
    application: ASGIApp, sock: socket.socket, edge: Edge, *, on_started: Callable[[], None] = lambda: None
) -> None:
    """Serve until cancelled; then finish what is under way and close the socket.

    Args:
        application: what answers.
        sock: from ``listen``.
        edge: stands before it.
        on_started: called once requests are answered.
    """
    sys.setswitchinterval(_SWITCH_S)
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)  # clients could fill the log with what it warns of
    config = uvicorn.Config(
        edge.around(application),
        http=EdgeProtocol,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # the edge reads them
        lifespan="on",
        timeout_graceful_shutdown=_GRACE_S,
        timeout_keep_alive=_FAR_S,
        ws="none",
    )
    server = _Server(config, edge, on_started)
    work = asyncio.create_task(server.serve(sockets=[sock]))
    try:
        await asyncio.shield(work)
    finally:
        server.should_exit = True
        await work
        sock.close()
