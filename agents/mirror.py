"""Copies of an agent's inputs in the hot cache: written when they change, and again before they would expire."""

from __future__ import annotations

import random
from collections.abc import Collection, Mapping
from heapq import heappop, heappush

from agents.cache import HotCache
from agents.entry import encode_entry, ttl_of
from agents.latest import severity_name
from agents.reading import Row
from sipmdcs.clock import Clock
from sipmdcs.severity import Status

MIRROR_TTL_S = 300
"""How long a copy lives at least, so that one that stands still costs next to nothing to keep."""
_DISCONNECTED = Status.COMM.name
_RENEWED = (0.3, 0.7)
"""When a copy is written again although nothing changed, in times to live."""


class Mirror:
    """Copies of the inputs of one agent.

    Args:
        source: name of the agent.
        cache: where they are written.
        keep_intervals: time to live, in intervals of the agent.
        clock: for expiry.
    """

    def __init__(self, source: str, cache: HotCache, keep_intervals: int, clock: Clock) -> None:
        self._source = source
        self._cache = cache
        self._keep = keep_intervals
        self._clock = clock
        self._rows: dict[str, Row] = {}
        self._fresh: set[str] = set()
        self._written: tuple[int, int] | None = None
        """``connections`` of the cache and time to live that all copies were written with, ``None`` if there are none."""
        self._renewals: list[tuple[float, str]] = []
        """A heap with one entry for each copy: monotonic seconds, not later than when it is to be written again."""
        self._renew_at: dict[str, float] = {}

    def note(self, changed: Mapping[str, Row]) -> None:
        """Inputs that are not as they were; one that is not connected any more is removed from the cache."""
        for name, row in changed.items():
            if row[0] is None or row[2] == _DISCONNECTED:
                self._forget(name)
            else:
                self._rows[name] = row
                self._fresh.add(name)

    def keep(self, names: Collection[str]) -> None:
        """Remove what is not among ``names``."""
        for name in self._rows.keys() - names:
            self._forget(name)

    def write(self, units: Mapping[str, str], interval: float, seq: int) -> None:
        """Bring the cache up to date, all of it if it has lost its entries."""
        now, ttl = self._clock.monotonic(), max(ttl_of(interval, self._keep), MIRROR_TTL_S)
        written = self._cache.connections, ttl
        if self._written == written:
            names: Collection[str] = self._fresh.union(self._expiring(now))
        else:
            names, self._written = list(self._rows), written
            self._renewals.clear()
            self._renew_at.clear()
        self._fresh.clear()
        entries: dict[str, bytes] = {}
        for name in names:
            value, severity, status, time, _ = self._rows[name]
            entries[name] = encode_entry(
                value,
                time=time,
                severity=severity_name(severity),
                status=status,
                unit=units.get(name, ""),
                ttl=ttl,
                source=self._source,
                seq=seq,
            )
            self._renew(name, now + ttl * random.uniform(*_RENEWED))  # noqa: S311 - not all at once
        self._cache.put(entries, ttl)

    def drop(self) -> None:
        """Remove all copies until they are written again."""
        if self._written is not None:
            self._cache.drop(self._rows)
            self._written = None

    def _forget(self, name: str) -> None:
        self._fresh.discard(name)
        if self._rows.pop(name, None) is not None:
            self._cache.drop([name])

    def _renew(self, name: str, at: float) -> None:
        if name not in self._renew_at:
            heappush(self._renewals, (at, name))
        self._renew_at[name] = at

    def _expiring(self, now: float) -> list[str]:
        expiring: list[str] = []
        while self._renewals and self._renewals[0][0] <= now:
            _, name = heappop(self._renewals)
            at = self._renew_at.pop(name)
            if name not in self._rows:
                continue
            if at <= now:
                expiring.append(name)
            else:  # it was written since
                self._renew(name, at)
        return expiring
