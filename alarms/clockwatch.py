"""Notices when the wall clock is set, so that what was to happen in ten minutes happens in ten minutes."""

from __future__ import annotations

from sipmdcs.clock import NS, Clock

_TOLERANCE_NS = NS
"""A clock that is slewed, or a process that is held up between two readings, is no clock that was set."""


class ClockWatch:
    """Compares the wall clock with the monotonic one."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._ahead_ns = self._measure()

    def _measure(self) -> int:
        return self._clock.time_ns() - round(self._clock.monotonic() * NS)

    def step_ns(self) -> int:
        """By how much the wall clock was set since the last call, negative for back; 0 if it was not."""
        before, self._ahead_ns = self._ahead_ns, self._measure()
        step = self._ahead_ns - before
        return step if abs(step) > _TOLERANCE_NS else 0
