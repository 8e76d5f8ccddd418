"""When an agent is due: pure arithmetic on a monotonic clock.

Slots are ``start + offset + n · interval``, computed from ``n`` and never from the slot before, so that nothing drifts. A slot
that comes while the run before still goes on, or while there is no process to run it, is skipped and counted: runs never
overlap.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import floor


@dataclass(frozen=True, slots=True)
class Schedule:
    """Where an agent stands in its slots. Times are monotonic seconds."""

    start: float
    """Zero of the slots."""
    offset: float
    interval: float
    slot: int = 0
    """Number of the slot that is waited for."""
    missed: int = 0
    """Slots that were skipped."""

    def due(self) -> float:
        """When the slot that is waited for comes."""
        return self.start + self.offset + self.slot * self.interval

    def tick(self, now: float, *, free: bool) -> tuple[Schedule, bool]:
        """What happens at ``now``.

        Args:
            now: not before the ``now`` of the call before.
            free: whether the agent can begin a run.

        Returns:
            The schedule after it, and whether to begin a run. Of several slots that have come the newest is run, the others
            are missed; without ``free`` all of them are.
        """
        if now < self.due():
            return self, False
        newest = max(self.slot, floor((now - self.start - self.offset) / self.interval))
        while self.start + self.offset + (newest + 1) * self.interval <= now:  # the quotient was rounded down
            newest += 1
        while newest > self.slot and self.start + self.offset + newest * self.interval > now:  # or up
            newest -= 1
        come = newest - self.slot + 1
        return replace(self, slot=newest + 1, missed=self.missed + (come - 1 if free else come)), free

    def again(self, now: float, interval: float, offset: float) -> Schedule:
        """The same agent with another interval or offset: slots count from ``now``, what was missed stays counted."""
        return Schedule(now, offset, interval, 0, self.missed)
