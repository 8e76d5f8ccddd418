"""Whether this process itself was held up: stopped, swapped out, or starved of processor time."""

from __future__ import annotations

import asyncio

from sipmdcs.clock import Clock

TICK_S = 0.25
LATE_S = 0.5
"""A tick that is so late says that nothing of this process ran for a while."""


class LoopLag:
    """Ticks in the event loop, and remembers when one was late.

    Args:
        clock: monotonic time.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._late_at = float("-inf")
        self._due: float | None = None

    async def run(self) -> None:
        """Tick until cancelled."""
        while True:
            self._due = self._clock.monotonic() + TICK_S
            await asyncio.sleep(TICK_S)
            self._look()

    def was_late_since(self, moment: float) -> bool:
        """Whether a tick was late, or is overdue, since a monotonic time: deadlines that ran out meanwhile mean nothing."""
        self._look()
        return self._late_at >= moment

    def _look(self) -> None:
        now = self._clock.monotonic()
        if self._due is not None and now - self._due > LATE_S:
            self._late_at = now
