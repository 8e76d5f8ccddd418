"""How long the detector was down, and why: overlaps count once, intervals are cut at the bounds of what is asked.

All intervals are half-open. A downtime without an end goes on until the end of the window, or ``now`` if that is earlier.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


class Stop(Protocol):
    """What is needed of a downtime; ``Record`` and the table row both have it."""

    @property
    def detector(self) -> str: ...
    @property
    def category(self) -> str: ...
    @property
    def started_at(self) -> datetime: ...
    @property
    def ended_at(self) -> datetime | None: ...


@dataclass(frozen=True, slots=True, order=True)
class Interval:
    """From ``start`` to before ``end``."""

    start: datetime
    end: datetime

    @property
    def seconds(self) -> float:
        """Its length."""
        return (self.end - self.start).total_seconds()


@dataclass(frozen=True, slots=True)
class Share:
    """One bar of a Pareto plot."""

    category: str
    events: int
    """Downtimes of this category that touch the window."""
    down_s: float
    """Seconds within the window; overlaps within one detector count once, detectors add up."""


def clip(stops: Iterable[Stop], window: Interval, now: datetime) -> list[tuple[Stop, Interval]]:
    """Each stop with its part in the window; those without one are left out."""
    found: list[tuple[Stop, Interval]] = []
    for stop in stops:
        start = max(stop.started_at, window.start)
        end = min(stop.ended_at or max(now, stop.started_at), window.end)
        if start < end:
            found.append((stop, Interval(start, end)))
    return found


def union(intervals: Iterable[Interval]) -> list[Interval]:
    """The same time as intervals that are in order and do not touch."""
    joined: list[Interval] = []
    for interval in sorted(intervals):
        if interval.end <= interval.start:
            continue
        if joined and interval.start <= joined[-1].end:
            joined[-1] = Interval(joined[-1].start, max(joined[-1].end, interval.end))
        else:
            joined.append(interval)
    return joined


def total_s(intervals: Iterable[Interval]) -> float:
    """Seconds covered by at least one interval."""
    return sum(interval.seconds for interval in union(intervals))


def down_s(stops: Iterable[Stop], window: Interval, now: datetime) -> float:
    """Seconds of the window in which at least one of the stops was going on."""
    return total_s(interval for _, interval in clip(stops, window, now))


def pareto(stops: Iterable[Stop], window: Interval, now: datetime) -> tuple[Share, ...]:
    """Down time by category, the longest first."""
    parts: dict[str, dict[str, list[Interval]]] = {}
    for stop, interval in clip(stops, window, now):
        parts.setdefault(stop.category, {}).setdefault(stop.detector, []).append(interval)
    shares = [
        Share(category, sum(map(len, detectors.values())), sum(map(total_s, detectors.values())))
        for category, detectors in parts.items()
    ]
    return tuple(sorted(shares, key=lambda share: (-share.down_s, share.category)))


def cumulated(shares: Sequence[Share]) -> tuple[float, ...]:
    """Fraction of the sum of all shares up to and with each: the line over the bars, ending at 1."""
    whole = sum(share.down_s for share in shares)
    reached = 0.0
    line: list[float] = []
    for share in shares:
        reached += share.down_s
        line.append(reached / whole)
    return tuple(line)
