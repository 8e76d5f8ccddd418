"""Threads for requests: a small pool for each source, so that one that hangs takes only its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from enum import Enum
from typing import TypeVar

from sipmdcs.threads import started_pool
from web.errors import source_away

QUEUE_S = 10.0
"""Longest wait for a thread."""

T = TypeVar("T")


class Pool(Enum):
    """A pool, with what its requests wait for and how many are in work at a time.

    More than some would only share the processor and the connections of the database.
    """

    LIVE = "live values", 4
    DATABASE = "the database", 6
    LARGE = "large pages of the database", 2
    ALARMS = "the alarm service", 4
    ARCHIVER = "the archiver", 4

    def __init__(self, title: str, threads: int) -> None:
        self.title = title
        self.threads = threads


class _Share:
    """What one client may have in work in one pool: all places but one, so that another client finds a place."""

    def __init__(self, pool: Pool) -> None:
        self.places = asyncio.Semaphore(max(pool.threads - 1, 1))
        self.users = 0


class Pools:
    """Runs work in the pools; for one event loop."""

    def __init__(self) -> None:
        self._places = {pool: asyncio.Semaphore(pool.threads) for pool in Pool}
        self._shares: dict[tuple[Pool, str], _Share] = {}
        self._threads = started_pool(sum(pool.threads for pool in Pool), "request")

    async def run(self, pool: Pool, client: str, work: Callable[[], T]) -> T:
        """What ``work`` gives; it runs in a thread of the pool, to its end even if the caller is cancelled.

        Args:
            pool: where.
            client: who asks.
            work: blocks.

        Raises:
            ApiError: 503, every place was taken for ``QUEUE_S``.
        """
        async with self._share(pool, client) as share, AsyncExitStack() as taken:
            try:
                async with asyncio.timeout(QUEUE_S):
                    for places in (share.places, self._places[pool]):
                        await taken.enter_async_context(places)
            except TimeoutError:
                text = f"{pool.threads} requests that need {pool.title} are in work already; try again"
                raise source_away(text, 1) from None
            done = asyncio.get_running_loop().run_in_executor(self._threads, work)
            try:
                return await asyncio.shield(done)
            finally:
                if not done.done():  # a thread cannot be stopped, so its place is taken until it ends
                    await asyncio.wait([done])

    @asynccontextmanager
    async def _share(self, pool: Pool, client: str) -> AsyncIterator[_Share]:
        share = self._shares.setdefault((pool, client), _Share(pool))
        share.users += 1
        try:
            yield share
        finally:
            share.users -= 1
            if not share.users:
                del self._shares[pool, client]
