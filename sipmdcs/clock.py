"""Time, injected wherever logic depends on it.

All times are UTC. Two forms are used: nanoseconds since the Unix epoch as ``int`` where samples are stored or compared,
and timezone-aware ``datetime`` where people or SQL read them.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Protocol

EPICS_EPOCH_S = 631_152_000
"""Seconds from the Unix epoch to the EPICS epoch, 1990-01-01T00:00:00Z."""

NS = 1_000_000_000
"""Nanoseconds in a second."""


class Clock(Protocol):
    """What logic may ask about time."""

    def time_ns(self) -> int:
        """Wall clock, nanoseconds since the Unix epoch."""
        ...

    def monotonic(self) -> float:
        """Seconds that never step back; for delays and time-outs."""
        ...


class SystemClock:
    """The machine's own clock."""

    def time_ns(self) -> int:
        return time.time_ns()

    def monotonic(self) -> float:
        return time.monotonic()


class ManualClock:
    """A clock that moves only when told: for tests and for replaying the past."""

    def __init__(self, start_ns: int = 1_767_225_600 * NS) -> None:
        self._time_ns = start_ns
        self._monotonic = 0.0

    def time_ns(self) -> int:
        return self._time_ns

    def monotonic(self) -> float:
        return self._monotonic

    def advance(self, seconds: float) -> None:
        """Let time pass, on both clocks."""
        self._time_ns += round(seconds * NS)
        self._monotonic += seconds

    def step(self, seconds: float) -> None:
        """Set the wall clock forward or back, as a time server does; the monotonic clock goes on unmoved."""
        self._time_ns += round(seconds * NS)


def to_datetime(time_ns: int) -> datetime:
    """Nanoseconds since the Unix epoch as UTC ``datetime`` (microseconds, the rest cut)."""
    seconds, nanos = divmod(time_ns, NS)
    return datetime.fromtimestamp(seconds, UTC) + timedelta(microseconds=nanos // 1000)


def from_datetime(when: datetime) -> int:
    """An aware ``datetime`` as nanoseconds since the Unix epoch.

    Raises:
        ValueError: ``when`` has no time zone.
    """
    if when.tzinfo is None:
        raise ValueError(f"{when.isoformat()} has no time zone")
    delta = when.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    return (delta.days * 86_400 + delta.seconds) * NS + delta.microseconds * 1000
