"""How often a controller is polled when this process cannot keep up: less often, and said so. Pure.

A poll that begins late, or takes longer than the time between two polls, shows that there is more work than time. The
period in force then grows until the work fits, and comes back to the wanted one in small steps.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

GROWTH = 1.5
RECOVERY = 1.1
"""Slower than the growth, so that an overloaded process does not swing."""

MAX_FACTOR = 10.0
MAX_PERIOD_S = 60.0
"""``DRVH`` of ``POLL_PERIOD``."""

_JITTER_S = 0.05
"""No event loop is more punctual than this on a busy machine."""


@dataclass(frozen=True, slots=True)
class Pace:
    """The time between polls."""

    wanted_s: float
    """``POLL_PERIOD``."""
    factor: float = 1.0
    """How much longer the period in force is."""

    @property
    def period_s(self) -> float:
        """The period in force, ``POLL_PERIOD_RBV``."""
        return max(self.wanted_s, min(self.wanted_s * self.factor, MAX_PERIOD_S))

    @property
    def is_late(self) -> bool:
        """Whether polls are slower than wanted, ``POLL_LATE``."""
        return self.period_s > self.wanted_s


def polled(pace: Pace, wanted_s: float, late_s: float, busy_s: float) -> Pace:
    """The pace after a poll that brought readings.

    Args:
        pace: as it was.
        wanted_s: period that is wanted now; a new one is tried at once.
        late_s: how much later than planned the poll began.
        busy_s: how long it took.
    """
    if wanted_s != pace.wanted_s:
        pace = Pace(wanted_s)
    needed_s = busy_s + max(late_s - _JITTER_S, 0.0)
    if needed_s > pace.period_s:
        return replace(pace, factor=min(pace.factor * GROWTH, MAX_FACTOR))
    if needed_s < pace.period_s / (2 * RECOVERY):
        return replace(pace, factor=max(pace.factor / RECOVERY, 1.0))
    return pace
