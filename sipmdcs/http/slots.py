"""Turns: how many requests are in work at a time, in all and for one client, and who is next.

The next turn goes to the client that has the fewest requests in work, first come first served among its own. A reply that its
client does not take costs memory, not work: while others wait it gives up its turn, and of too many such replies those that are
stuck longest are ended.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus

from sipmdcs.http.errors import HttpError
from sipmdcs.http.limits import Limits

_STUCK_S = 0.2
"""A reply that does not move for so long gives up its turn if others wait."""
_CUT_S = 1.0
"""And is ended after so long if there are too many of its kind."""


class Slot:
    """The turn of one request."""

    def __init__(self, client: str, cut: Callable[[str], None]) -> None:
        self.client = client
        self.cut = cut
        self.stuck_since: float | None = None
        """When a piece of the reply was given to the connection that has not taken it yet."""

    def stuck_s(self, now: float) -> float:
        """How long the reply has not moved, seconds."""
        return 0.0 if self.stuck_since is None else now - self.stuck_since


class Slots:
    """The turns of one service."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._held: set[Slot] = set()
        self._stuck: set[Slot] = set()
        """Replies that gave up their turn."""
        self._in_work: Counter[str] = Counter()
        self._waiting: dict[Slot, asyncio.Future[None]] = {}
        self._waiting_of: Counter[str] = Counter()

    @property
    def waiting(self) -> int:
        """Requests that wait for their turn."""
        return len(self._waiting)

    @asynccontextmanager
    async def turn(self, client: str, cut: Callable[[str], None]) -> AsyncIterator[Slot]:
        """Wait for a turn and hold it.

        Args:
            client: whose request it is.
            cut: ends its connection; is given the reason.

        Raises:
            HttpError: 429 or 503, too many wait already, or none came free in time.
        """
        slot = Slot(client, cut)
        if not self._is_free(client):
            await self._queue(slot)
        else:
            self._give(slot)
        try:
            yield slot
        finally:
            self._stuck.discard(slot)
            self._take_back(slot)

    def displace(self) -> None:
        """Let the replies that are stuck give way to the requests that wait."""
        if not self._waiting:
            return
        now = time.monotonic()
        by_age = sorted(self._held, key=lambda slot: slot.stuck_s(now), reverse=True)
        for slot in by_age:
            if slot.stuck_s(now) < _STUCK_S or all(turn.done() for turn in self._waiting.values()):
                break
            self._stuck.add(slot)
            self._take_back(slot)
        by_age = sorted(self._stuck, key=lambda slot: slot.stuck_s(now), reverse=True)
        for slot in by_age[: max(len(by_age) - self._limits.stuck, 0)]:
            if slot.stuck_s(now) >= _CUT_S:
                slot.cut("stuck")

    def _is_free(self, client: str) -> bool:
        return len(self._held) < self._limits.work and self._in_work[client] < self._limits.work_per_client

    def _give(self, slot: Slot) -> None:
        self._held.add(slot)
        self._in_work[slot.client] += 1

    async def _queue(self, slot: Slot) -> None:
        limits = self._limits
        if self._waiting_of[slot.client] >= limits.waiting_per_client:
            raise HttpError(
                HTTPStatus.TOO_MANY_REQUESTS, f"{limits.waiting_per_client} of your requests wait already; try again later"
            )
        if len(self._waiting) >= limits.waiting:
            raise HttpError(HTTPStatus.SERVICE_UNAVAILABLE, f"{limits.waiting} requests wait already; try again later")
        turn = self._waiting[slot] = asyncio.get_running_loop().create_future()
        self._waiting_of[slot.client] += 1
        try:
            await asyncio.wait([turn], timeout=limits.wait_s)
        except asyncio.CancelledError:
            if turn.done():  # it had just been given
                self._take_back(slot)
            raise
        finally:
            del self._waiting[slot]
            _less(self._waiting_of, slot.client)
        if not turn.done():
            raise HttpError(HTTPStatus.SERVICE_UNAVAILABLE, f"no turn came free within {limits.wait_s:g} s; try again later")

    def _take_back(self, slot: Slot) -> None:
        if slot in self._held:
            self._held.remove(slot)
            _less(self._in_work, slot.client)
            self._hand_on()

    def _hand_on(self) -> None:
        while len(self._held) < self._limits.work:
            candidates = [slot for slot, turn in self._waiting.items() if not turn.done() and self._is_free(slot.client)]
            slot = min(candidates, key=lambda slot: self._in_work[slot.client], default=None)
            if slot is None:
                return
            self._give(slot)
            self._waiting[slot].set_result(None)


def _less(counts: Counter[str], key: str) -> None:
    counts[key] -= 1
    if counts[key] <= 0:
        del counts[key]
