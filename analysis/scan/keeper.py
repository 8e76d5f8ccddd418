"""What a plan uses to put the operating point back: a device that has nothing but this to do."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from ophyd_async.core import AsyncStatus


class Keeper:
    """Setting it puts everything back.

    Args:
        halts: end what is still under way on the channels, before anything is put back.
        begun: called first.
        restore: puts back and returns when it is done or cannot be; in a thread, and without raising.
    """

    name = "operating-point"
    parent = None

    def __init__(
        self, halts: Sequence[Callable[[], Awaitable[None]]], restore: Callable[[], None], begun: Callable[[], None]
    ) -> None:
        self._begun = begun
        self._halts = halts
        self._restore = restore

    @AsyncStatus.wrap
    async def set(self, value: bool) -> None:
        """Put everything back now."""
        if value:
            self._begun()
            await asyncio.gather(*(halt() for halt in self._halts))
            await asyncio.to_thread(self._restore)
