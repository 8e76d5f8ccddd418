"""Threads for requests: a small pool for each source, so that one that hangs takes only its own."""

from __future__ import annotations

import math
from collections.abc import Callable
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


class Pools:
    """Runs work in the pools; for one event loop."""

    def __init__(self) -> None:
        self._places = {pool: CapacityLimiter(pool.threads) for pool in Pool}
        self._threads = CapacityLimiter(math.inf)  # the places limit them

    async def run(self, pool: Pool, work: Callable[[], T]) -> T:
        """What ``work`` gives; it runs in a thread of the pool, to its end even if the caller is cancelled.

        Raises:
            ApiError: 503, every thread of the pool was busy for ``QUEUE_S``.
        """
        places, ours = self._places[pool], object()
        with anyio.move_on_after(QUEUE_S) as waiting:
            await places.acquire_on_behalf_of(ours)
        if waiting.cancelled_caught:
            raise source_away(f"{pool.threads} requests that need {pool.title} are in work already; try again", 1)
        try:
            return await anyio.to_thread.run_sync(work, limiter=self._threads)
        finally:
            places.release_on_behalf_of(ours)
