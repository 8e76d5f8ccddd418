"""Copies of an agent's inputs in the hot cache: written when they change, and again before they would expire."""

from __future__ import annotations

import random
from collections.abc import Collection, Mapping
from heapq import heappop, heappush

from agents.cache import HotCache
from agents.entry import entry_tail, join_entry, ttl_of
from agents.reading import Row
from sipmdcs.clock import Clock
from sipmdcs.severity import Severity, Status

MIRROR_TTL_S = 300
"""How long a copy lives at least, so that one that stands still costs next to nothing to keep."""
_SEVERITIES = tuple(one.name for one in Severity)
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
        self._last: dict[str, float] = {}
        """When each copy was written, monotonic seconds."""
        self._renewals: list[tuple[float, str, float]] = []
        """A heap with one entry for each copy: when it is to be written again unless it was since the last (monotonic s)."""

    def note(self, changed: Mapping[str, Row]) -> None:
        """Inputs that are not as they were; one that is not connected any more is removed from the cache."""
        self._rows.update(changed)
        self._fresh.update(changed)
        for name in [name for name, row in changed.items() if row[0] is None or row[2] == _DISCONNECTED]:
            self._forget(name)

    def keep(self, names: Collection[str]) -> None:
        """Remove what is not among ``names``."""
        for name in self._rows.keys() - names:
            self._forget(name)

    def write(self, units: Mapping[str, str], interval: float, seq: int) -> None:
        """Bring the cache up to date, all of it if it has lost its entries."""
        now, ttl = self._clock.monotonic(), max(ttl_of(interval, self._keep), MIRROR_TTL_S)
        written = self._cache.connections, ttl
        if self._written == written:
            self._fresh.update(self._expiring(now, ttl))
        else:
            self._fresh.update(self._rows)
            self._written = written
            self._renewals.clear()
            self._last.clear()
        names, self._fresh = self._fresh, set()
        entries: dict[str, bytes] = {}
        rows, unit_of = self._rows, units.get
        for name in names:
            value, severity, status, time, _ = rows[name]
            tail = entry_tail(_SEVERITIES[severity], status, unit_of(name, ""), ttl, self._source, seq)
            entries[name] = join_entry(value, time, tail)
        for name in names - self._last.keys():
            self._renew(name, now, ttl)
        self._last.update(dict.fromkeys(names, now))
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

    def _renew(self, name: str, last: float, ttl: int) -> None:
        heappush(self._renewals, (last + ttl * random.uniform(*_RENEWED), name, last))  # noqa: S311 - not all at once

    def _expiring(self, now: float, ttl: int) -> list[str]:
        expiring: list[str] = []
        while self._renewals and self._renewals[0][0] <= now:
            _, name, noted = heappop(self._renewals)
            last = self._last[name]
            if name in self._rows and last > noted:  # it was written since
                self._renew(name, last, ttl)
                continue
            del self._last[name]
            if name in self._rows:
                expiring.append(name)
        return expiring
