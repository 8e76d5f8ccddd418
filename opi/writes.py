"""Writes of all screens of this process: sent and watched in threads, their outcomes brought back to the screens' own."""

from __future__ import annotations

import itertools
import logging
from concurrent.futures import Future
from functools import lru_cache, partial

from qtpy.QtCore import QObject

from opi.qt_signal import Signal
from sipmdcs.channels import Channels, PvData, open_channels
from sipmdcs.outcome import Outcome, Result, SetpointWriter

_log = logging.getLogger(__name__)


@lru_cache(maxsize=1)
def shared_channels() -> Channels:
    """The Channel Access client of this process besides PyDM's, made when it is first needed."""
    return open_channels()


class Writes(QObject):
    """Sends writes without blocking. It outlives every screen, so that an outcome never meets one that is gone."""

    decided = Signal(int, object)
    """Ticket and ``Outcome``."""

    def __init__(self, writer: SetpointWriter) -> None:
        super().__init__()
        self._writer = writer
        self._tickets = itertools.count(1)

    def submit(self, pv: str, value: PvData) -> int:
        """Put a value and watch what the device makes of it.

        Returns:
            The ticket that ``decided`` will name.
        """
        ticket = next(self._tickets)
        future = self._writer.submit({pv: value}, partial(self._tell, ticket))
        future.add_done_callback(partial(self._note_failure, ticket, pv, value))
        return ticket

    def _tell(self, ticket: int, outcome: Outcome) -> None:
        """Called in the thread of the write."""
        _log.log(logging.INFO if outcome.ok else logging.WARNING, "%s = %s: %s", outcome.pv, outcome.wanted, outcome.text)
        self.decided.emit(ticket, outcome)

    def _note_failure(self, ticket: int, pv: str, value: PvData, future: Future[dict[str, Outcome]]) -> None:
        err = future.exception()
        if err is not None:
            self._tell(ticket, Outcome(pv, Result.UNKNOWN, value, reason=str(err) or type(err).__name__))


@lru_cache(maxsize=1)
def shared_writes() -> Writes:
    """The one of this process, made when it is first needed."""
    return Writes(SetpointWriter(shared_channels()))
