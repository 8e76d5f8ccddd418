"""Key figures of memcached from its ``stats`` command: pure arithmetic."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

WINDOW_S = 60
"""Rates are those of so many seconds."""


@dataclass(frozen=True, slots=True)
class Counts:
    """What is counted since memcached started."""

    time: float
    """Monotonic seconds."""
    gets: int
    hits: int
    sets: int
    evictions: int


class Figures:
    """Values of the PVs of ``memcached.template``."""

    def __init__(self) -> None:
        self._past: deque[Counts] = deque()

    def take(self, stats: Mapping[Any, Any], now: float) -> dict[str, float]:
        """Figures after another look.

        Args:
            stats: answer to ``stats``; names as in memcached's ``protocol.txt``, bytes or already numbers.
            now: monotonic seconds.

        Returns:
            Values by name; no ``HIT_RATE`` while nobody reads.
        """
        number = {key.decode(): _number(value) for key, value in stats.items()}
        counts = Counts(now, *(int(number[key]) for key in ("cmd_get", "get_hits", "cmd_set", "evictions")))
        self._past.append(counts)
        while now - self._past[0].time > WINDOW_S:
            self._past.popleft()
        first = self._past[0]
        seconds, gets = now - first.time, counts.gets - first.gets
        figures: dict[str, float] = {
            "ITEMS": number["curr_items"],
            "BYTES": number["bytes"] / 1024,
            "LIMIT": number["limit_maxbytes"] / 1024,
            "CONNECTIONS": number["curr_connections"],
            "EVICTIONS": counts.evictions,
            "EVICTION_RATE": counts.evictions - first.evictions,
            "READ_RATE": gets / seconds if seconds else 0.0,
            "WRITE_RATE": (counts.sets - first.sets) / seconds if seconds else 0.0,
        }
        if gets:
            figures["HIT_RATE"] = 100 * (counts.hits - first.hits) / gets
        return figures


def _number(value: object) -> float:
    try:
        return float(value.decode() if isinstance(value, bytes) else str(value))
    except ValueError:  # a version, a time
        return 0.0
