"""How well the wire of a controller does: errors counted, polls missed."""

from __future__ import annotations

import logging

from iocs.controller_values import short
from sipmdcs.publisher import Value

MISSES_TO_REOPEN = 2
MISSES_TO_LOSE = 3
"""A readback goes INVALID after so many polls without it."""

MAX_EXCUSED = 10
"""A process that is always held up would never notice that a controller is gone."""

_log = logging.getLogger(__name__)


class Health:
    """Counts since the IOC started."""

    def __init__(self, controller: str) -> None:
        self._controller = controller
        self.errors = 0
        self.last_error = ""
        self.missed = 0
        """Polls missed in a row."""
        self.heartbeat = 0
        self._excused = 0

    def note(self, text: str) -> None:
        """Count something that went wrong on the wire."""
        self.errors += 1
        self.last_error = text
        _log.warning("%s: %s", self._controller, text)

    def answered(self) -> None:
        """A poll brought readings."""
        self.missed = self._excused = 0

    def miss(self, text: str, *, held_up: bool = False) -> None:
        """Count a poll that brought nothing. Only the first of a row is logged, the others are told by the counts.

        Args:
            text: what went wrong.
            held_up: this process itself did not run for a while, so that a time-out says nothing of the device; a few such
                polls in a row are errors, but not missed.
        """
        if held_up and self._excused < MAX_EXCUSED:
            self._excused += 1
            self.note(f"held up: {text}")
            return
        self.missed += 1
        if self.missed == 1:
            self.note(text)
        else:
            self.errors += 1
            self.last_error = text
        if self.missed == MISSES_TO_LOSE:
            # Lost controllers alarm through CONNECTED; they are no error of this process.
            _log.warning("%s is lost: %s", self._controller, text)

    @property
    def lost(self) -> bool:
        """Whether the controller counts as disconnected."""
        return self.missed >= MISSES_TO_LOSE

    def values(self) -> dict[str, Value]:
        """What the records of the controller show."""
        return {"HEARTBEAT": self.heartbeat, "COMM_ERRORS": self.errors, "LAST_ERROR": short(self.last_error)}
