"""Copies of an agent's inputs in the hot cache: written when they change, and again before they would expire."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping

from agents.cache import HotCache
from agents.entry import entry_end, join_entry, ttl_of
from agents.reading import Row
from sipmdcs.clock import Clock
from sipmdcs.severity import Severity

MIRROR_TTL_S = 300
"""How long a copy lives at least, so that one that stands still costs next to nothing to keep."""
_SEVERITIES = tuple(one.name for one in Severity)
_RENEWED = 0.3
"""In which share of their time to live all copies are written again, a few at each run, whether they changed or not."""


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
        self._fresh: dict[str, Row] = {}
        """Those that are to be written."""
        self._written: tuple[int, int] | None = None
        """``connections`` of the cache and time to live that all copies were written with, ``None`` if there are none."""
        self._turn: list[str] = []
        """All copies there were when the present turn of writing them again began; those from ``_done`` on are to come."""
        self._began = 0.0
        """When that was, monotonic seconds."""
        self._done = 0

    def note(self, changed: Mapping[str, Row], gone: Iterable[str]) -> None:
        """Inputs that are not as they were, and those among them whose copies are to be removed."""
        self._rows.update(changed)
        self._fresh.update(changed)
        for name in gone:
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
            self._fresh |= self._renewed(now, ttl)
        else:
            self._written = written
            self._fresh = self._rows.copy()
            self._begin_turn(now)
        fresh, self._fresh = self._fresh, {}
        self._cache.put(dict(zip(fresh, self._entries(fresh, units, ttl, seq), strict=True)), ttl)

    def drop(self) -> None:
        """Remove all copies until they are written again."""
        if self._written is not None:
            self._cache.drop(self._rows)
            self._written = None

    def _entries(self, rows: Mapping[str, Row], units: Mapping[str, str], ttl: int, seq: int) -> Iterator[bytes]:
        ends: dict[tuple[float, int, str, str], bytes] = {}  # of PVs of one poll, which have one time
        unit_of = units.get
        for name, (value, severity, status, time, _) in rows.items():
            key = time, severity, status, unit_of(name, "")
            end = ends.get(key)
            if end is None:
                end = ends[key] = entry_end(time, _SEVERITIES[severity], status, key[3], ttl, self._source, seq)
            yield join_entry(value, end)

    def _forget(self, name: str) -> None:
        self._fresh.pop(name, None)
        if self._rows.pop(name, None) is not None:
            self._cache.drop([name])

    def _renewed(self, now: float, ttl: int) -> dict[str, Row]:
        """Copies whose turn it is."""
        share = (now - self._began) / (_RENEWED * ttl)
        end = int(share * len(self._turn))
        due = self._turn[self._done : end]
        self._done = end
        if share >= 1:
            self._begin_turn(now)
        return {name: self._rows[name] for name in due if name in self._rows}

    def _begin_turn(self, now: float) -> None:
        self._turn, self._done, self._began = list(self._rows), 0, now
