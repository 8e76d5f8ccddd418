"""Work that goes on for ever and waits out what it depends on: database, disk, cluster."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from sipmdcs.errors import ServiceError

PAUSE_S = 1.0
"""Between two tries."""

T = TypeVar("T")

_log = logging.getLogger(__name__)


class Patience:
    """Tries again after a ``ServiceError``; each trouble is logged once when it comes and once when it is over."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._trouble = ""

    @property
    def is_well(self) -> bool:
        """Whether the last try succeeded."""
        return not self._trouble

    async def forever(self, step: Callable[[], Awaitable[None]]) -> None:
        """Do ``step`` again and again until cancelled; it paces itself."""
        while True:
            await self.insist(step)

    async def insist(self, step: Callable[[], Awaitable[T]]) -> T:
        """What ``step`` returns, after as many tries as it takes."""
        while True:
            try:
                done = await step()
            except ServiceError as err:
                self._note(str(err))
                await asyncio.sleep(PAUSE_S)
            else:
                self._note("")
                return done

    def _note(self, trouble: str) -> None:
        if trouble and not self._trouble:
            _log.error("%s: %s", self._what, trouble)
        elif self._trouble and not trouble:
            _log.warning("%s: goes on", self._what)
        self._trouble = trouble
