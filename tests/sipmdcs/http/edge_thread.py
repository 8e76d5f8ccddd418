"""An application behind an edge, in a thread of the test."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
from starlette.types import ASGIApp

from sipmdcs.http.edge import Edge
from sipmdcs.http.limits import Limits
from sipmdcs.http.server import listen, serve
from sipmdcs.site import HttpEdge

FRESH = httpx.Limits(keepalive_expiry=0.3)
"""The client keeps no connection for longer than the shortest deadline of a server."""


@dataclass(frozen=True)
class Server:
    port: int
    edge: Edge
    client: httpx.Client

    def connect(self, source: str = "127.0.0.1") -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=30, source_address=(source, 0))


@contextmanager
def behind_edge(
    application: ASGIApp, *, limits: Limits | None = None, settings: HttpEdge | None = None, **edge: Any
) -> Iterator[Server]:
    """Serve until the block ends."""
    sock = listen("127.0.0.1", 0)
    port = sock.getsockname()[1]
    loop = asyncio.new_event_loop()
    made = Edge("test", settings or HttpEdge(), limits=limits, **edge)
    started = threading.Event()
    task = loop.create_task(serve(application, sock, made, on_started=started.set))

    def run() -> None:
        try:
            loop.run_until_complete(task)
        except asyncio.CancelledError:
            pass
        finally:
            loop.run_until_complete(loop.shutdown_default_executor())
            loop.close()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        started.wait(30)
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30, trust_env=False, limits=FRESH) as client:
            yield Server(port, made, client)
    finally:
        loop.call_soon_threadsafe(task.cancel)
        thread.join()


def answer_of(connection: socket.socket) -> bytes:
    """All that the server sends until it closes."""
    said = b""
    try:
        while part := connection.recv(65_536):
            said += part
    except ConnectionResetError:
        pass
    return said
