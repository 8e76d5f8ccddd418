"""Key figures of the analysis, as its service PVs show them."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from analysis.chain.queue import QueueState
from analysis.chain.task import Work
from sipmdcs.publisher import Value

WINDOW_S = 60.0
"""``RATE`` is over so many seconds."""

FROM_DATABASE = ("QUEUED", "RUNNING", "FAILED", "UNPUBLISHED")
"""Figures that nobody knows while the database is away."""


class Figures:
    """Counts what was done, and puts it together with what the database and the inbox say."""

    def __init__(self, raw_folder: Path) -> None:
        self._raw_folder = raw_folder
        self._done = 0
        self._put = 0
        self._latency_s: float | None = None
        self._recent: deque[tuple[float, int]] = deque()

    def stored(self, works: Sequence[Work]) -> None:
        """Jobs whose rows have just been written."""
        if not works:
            return
        self._done += len(works)
        self._recent.append((time.monotonic(), len(works)))
        self._latency_s = max(time.time() - self._since(work) for work in works)

    def put(self, count: int) -> None:
        """Values that have just been put."""
        self._put += count

    def values(
        self, state: tuple[QueueState, int] | None, files: Sequence[Path], threads: int, refused: int
    ) -> dict[str, Value]:
        """What to post, by the end of the PV name.

        Args:
            state: the queue and the values that wait, ``None`` while the database is away.
            files: in the inbox, oldest first.
            threads: batches that can run at the same time.
            refused: files that were set aside.
        """
        now = time.monotonic()
        while self._recent and self._recent[0][0] < now - WINDOW_S:
            self._recent.popleft()
        values: dict[str, Value] = {
            "DONE": self._done,
            "PUTS": self._put,
            "RATE": sum(count for _, count in self._recent) / WINDOW_S,
            "WORKERS": threads,
            "INBOX": len(files),
            "REFUSED": refused,
            "DATABASE": int(state is not None),
            "OLDEST": _age(state[0].oldest if state else None, files),
        }
        if self._latency_s is not None:
            values["LATENCY"] = self._latency_s
        if state is not None:
            queue, unpublished = state
            values |= {"QUEUED": queue.queued, "RUNNING": queue.running, "FAILED": queue.failed, "UNPUBLISHED": unpublished}
        return values

    def _since(self, work: Work) -> float:
        """When the analysis was asked for: by the delivery of the raw result, or by somebody who wants it again."""
        try:
            delivered = (self._raw_folder / work.path).stat().st_mtime
        except OSError:
            delivered = work.queued_at.timestamp()
        return delivered if work.first else work.queued_at.timestamp()


def _age(oldest: datetime | None, files: Sequence[Path]) -> float:
    """Seconds since the oldest thing that waits came."""
    times = [] if oldest is None else [oldest.timestamp()]
    if files:
        with suppress(OSError):  # taken in meanwhile
            times.append(files[0].stat().st_mtime)
    return max(0.0, datetime.now(UTC).timestamp() - min(times)) if times else 0.0
