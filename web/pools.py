"""Threads for requests: a small pool for each source, so that one that hangs takes only its own."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from enum import Enum
from typing import TypeVar

import anyio
import anyio.to_thread
from anyio import CapacityLimiter

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
        self.places = CapacityLimiter(max(pool.threads - 1, 1))
        self.users = 0


class Pools:
    """Runs work in the pools; for one event loop."""

    def __init__(self) -> None:
        self._places = {pool: CapacityLimiter(pool.threads) for pool in Pool}
        self._shares: dict[tuple[Pool, str], _Share] = {}
        self._threads = CapacityLimiter(math.inf)  # the places limit them

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
            with anyio.move_on_after(QUEUE_S) as waiting:
                for places in (share.places, self._places[pool]):
                    ours = object()
                    await places.acquire_on_behalf_of(ours)
                    taken.callback(places.release_on_behalf_of, ours)
            if waiting.cancelled_caught:
                raise source_away(f"{pool.threads} requests that need {pool.title} are in work already; try again", 1)
            return await anyio.to_thread.run_sync(work, limiter=self._threads)

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
