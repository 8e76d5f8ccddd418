"""How many queries there were and how long they took."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager


class QueryMeter:
    """Counts; any thread may use it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._count = 0
        self._longest_s = 0.0

    @contextmanager
    def timed(self) -> Iterator[None]:
        """Count the block as one query."""
        start = time.perf_counter()
        try:
            yield
        finally:
            duration = time.perf_counter() - start
            with self._lock:
                self._count += 1
                self._longest_s = max(self._longest_s, duration)

    def take(self) -> tuple[int, float]:
        """Queries so far, and seconds of the longest since the last call."""
        with self._lock:
            longest, self._longest_s = self._longest_s, 0.0
            return self._count, longest
