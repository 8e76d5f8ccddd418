"""TCP servers of a simulator, which end together with every client, whenever that came."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

Session = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[None, None, None]]
"""Talks with one client until it goes; what a client does wrong ends the session only."""

_HANDED_OVER = 5
"""Turns of the event loop after which a connection that was accepted is with its session."""


@dataclass(slots=True)
class Listening:
    """A server and its clients."""

    endpoint: str = ""
    """``host:port``."""
    clients: dict[asyncio.StreamWriter, asyncio.Task[None]] = field(default_factory=dict)

    def hang_up(self) -> None:
        """End every connection at once."""
        for writer in self.clients:
            writer.transport.abort()


@asynccontextmanager
async def listen(session: Session) -> AsyncIterator[Listening]:
    """Serve on a free loopback port as long as the context lasts."""
    listening = Listening()
    clients = listening.clients

    async def run(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - for the type checker
        clients[writer] = task
        try:
            if server.is_serving():
                with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
                    await session(reader, writer)
        finally:
            del clients[writer]
            writer.close()

    server = await asyncio.start_server(run, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    listening.endpoint = f"{host}:{port}"
    try:
        yield listening
    finally:
        server.close()
        for _ in range(_HANDED_OVER):
            await asyncio.sleep(0)
        tasks = list(clients.values())
        listening.hang_up()
        await asyncio.gather(*tasks)
