"""Key figures of the archiver, as its PVs and its HTTP interface show them."""

from __future__ import annotations

import shutil
from collections import deque

from archiver.engine import Engine
from archiver.query_meter import QueryMeter
from archiver.storage import Storage

_LOSS_WINDOW = 60
"""Measurements, one a second, over which ``LOST_RATE`` counts."""

_LAKE_S = 10.0
"""Files are counted this often."""


class Figures:
    """Measures once a second; ``latest`` is what was found last."""

    def __init__(self, engine: Engine, storage: Storage, meter: QueryMeter) -> None:
        self._engine = engine
        self._storage = storage
        self._meter = meter
        self._events = 0
        self._events_at = storage.clock.monotonic()
        self._lost: deque[int] = deque([0], maxlen=_LOSS_WINDOW)
        self._on_disk: dict[str, float | int] = {}
        self._lake_at = self._events_at
        self.latest: dict[str, float | int] = {}

    def look_at_disk(self) -> None:
        """Measure what only the disk knows; may take as long as a disk that hangs.

        Raises:
            OSError: it says nothing.
            ServiceError: the catalogue says nothing.
        """
        storage = self._storage
        if (now := storage.clock.monotonic()) >= self._lake_at:
            with storage.catalogue.reading() as db:
                files, size = db.execute("SELECT count(*), coalesce(sum(bytes), 0) FROM file").fetchone()
            self._on_disk |= {"LAKE_SIZE": size / 1e6, "LAKE_FILES": files}
            self._lake_at = now + _LAKE_S
        self._on_disk["LOG_SIZE"] = storage.log.bytes_on_disk / 1e6
        self._on_disk["DISK_FREE"] = shutil.disk_usage(storage.folder).free / 1e9

    def measure(self) -> dict[str, float | int]:
        """Figures by the last part of their PV's name, those of the disk as they were seen last. Waits for nothing."""
        engine, storage = self._engine, self._storage
        counters, events, now = engine.counters, engine.recorder.events, storage.clock.monotonic()
        lost = counters.lost_overload + counters.lost_disk
        queries, longest_s = self._meter.take()
        self.latest = {
            "PVS": engine.size,
            "DISCONNECTED": engine.size - int(engine.recorder.connected.sum()),
            "EVENTS": events,
            "EVENT_RATE": (events - self._events) / max(now - self._events_at, 1e-3),
            "LOST": lost,
            "LOST_RATE": lost - self._lost[0],
            "LOG_LAG": storage.log.unsafe_s,
            "DISK": int(not counters.refused),
            "COMPACTION_AGE": now - counters.compacted_at,
            "COMPACTION_ERRORS": counters.compact_errors,
            "QUERIES": queries,
            "QUERY_TIME": longest_s,
            **self._on_disk,
        }
        self._events, self._events_at = events, now
        self._lost.append(lost)
        return self.latest
