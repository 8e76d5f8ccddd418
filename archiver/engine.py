"""The archiver at work: three threads between a capture and the storage.

============  ==========================================================================
capture       drains events, makes rows of them, writes the log; nothing else waits here
upkeep        compacts and merges
metadata      asks PVs for units, limits, labels and types
============  ==========================================================================

A thread that fails ends the engine: ``failure`` tells why, and the process should end so that it is started again. A
full disk is no failure: it is counted, shown, and tried again.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from archiver.metadata import MetadataWatch
from archiver.recorder import PvActivity, Recorder, with_loss
from archiver.rows import Cause, Rows
from archiver.storage import Storage
from sipmdcs.channels import Channels, Mask
from sipmdcs.pvinfo import ArchiveMethod, ArchivePolicy

logger = logging.getLogger(__name__)

DRAIN_S = 0.15
UPKEEP_S = 1.0
RETRY_S = 5.0


@dataclass(slots=True)
class Counters:
    """What went on since the start; each written by one thread only."""

    lost_overload: int = 0
    """Events that the capture ring had no room for."""
    lost_disk: int = 0
    """Events that found neither disk nor memory."""
    write_errors: int = 0
    compact_errors: int = 0
    refused: str = ""
    """Why the disk refuses the log; empty while it does not."""
    compacted_at: float = 0.0
    """When compaction last had nothing left to do, monotonic seconds."""


class Engine:
    """Archives PVs until stopped."""

    def __init__(self, storage: Storage, channels: Channels, policies: Mapping[str, ArchivePolicy]) -> None:
        """Begin a run of the storage and monitor the PVs.

        Raises:
            ServiceError: the archive cannot be written.
            NotConnected: a name that no PV can have.
        """
        self._storage = storage
        self._clock = storage.clock
        numbers = storage.start(policies)
        newest = storage.newest_ns()
        self._index = {name: index for index, name in enumerate(numbers)}
        periods = [p.period_s if p.method is ArchiveMethod.SCAN else 0.0 for p in policies.values()]
        ids = list(numbers.values())
        self.recorder = Recorder(ids, periods, [newest[number] for number in ids])
        self.counters = Counters(compacted_at=self._clock.monotonic())
        self._metadata = MetadataWatch(channels, storage.catalogue, self.recorder, list(numbers), ids, self._clock)
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self._lost_unsaid = 0
        self.failed = threading.Event()
        self.failure: BaseException | None = None
        self._capture = channels.capture(list(numbers), mask=Mask.LOG | Mask.ALARM)

    @property
    def size(self) -> int:
        """How many PVs are archived."""
        return len(self._index)

    def start(self) -> None:
        """Start the threads."""
        work = {
            "capture": self._capture_until_stopped,
            "upkeep": self._upkeep_until_stopped,
            "metadata": self._metadata_until_stopped,
        }
        for name, target in work.items():
            thread = threading.Thread(target=self._guard, args=(name, target), name=name, daemon=True)
            thread.start()
            self._threads.append(thread)

    def stop(self) -> None:
        """Stop capturing, write what came in, end the threads. The storage stays open."""
        self._stop.set()
        for thread in self._threads:
            thread.join()
        self._capture.close()

    def activity(self, name: str) -> PvActivity | None:
        """What happened to a PV since the start; ``None`` if it is not archived."""
        index = self._index.get(name)
        return None if index is None else self.recorder.activity(index)

    def _guard(self, name: str, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception as err:
            logger.exception("thread %s ended: %s", name, err)  # noqa: TRY401 - the first line is what people see
            self.failure = err
            self._stop.set()
            self.failed.set()

    def _capture_until_stopped(self) -> None:
        while not self._stop.wait(DRAIN_S):
            self._drain_once()
        self._drain_once()
        self._append(self.recorder.flush())
        self._write()

    def _drain_once(self) -> None:
        batch = self._capture.drain()
        if batch.dropped:
            self.counters.lost_overload += batch.dropped
            logger.error("%d events lost: they came faster than they were taken", batch.dropped)
        self._append(self.recorder.take(batch, self._clock.time_ns()))
        self._write()

    def _append(self, taken: Rows) -> None:
        saying = self._lost_unsaid > 0 and not self.counters.refused
        rows = with_loss(taken, Cause.DISK, self._lost_unsaid, self._clock.time_ns()) if saying else taken
        if not self._storage.log.append(rows):
            self.counters.lost_disk += len(taken.rows)
            self._lost_unsaid += len(taken.rows)
        elif saying:
            self._lost_unsaid = 0

    def _write(self) -> None:
        try:
            self._storage.log.write()
        except OSError as err:
            self.counters.write_errors += 1
            if not self.counters.refused:
                logger.error("the log cannot be written, events wait in memory: %s", err)  # noqa: TRY400 - no traceback
            self.counters.refused = str(err)
            return
        if self.counters.refused:
            logger.warning("the log is written again")
            self.counters.refused = ""

    def _upkeep_until_stopped(self) -> None:
        while not self._stop.wait(UPKEEP_S):
            try:
                self._storage.maintain()
                self.counters.compacted_at = self._clock.monotonic()
            except (OSError, sqlite3.Error) as err:
                self.counters.compact_errors += 1
                logger.error("compaction failed and is tried again: %s", err)  # noqa: TRY400 - no traceback
                self._stop.wait(RETRY_S)

    def _metadata_until_stopped(self) -> None:
        while not self._stop.wait(UPKEEP_S):
            try:
                self._metadata.update()
            except sqlite3.Error as err:
                logger.error("metadata cannot be stored and are asked for again: %s", err)  # noqa: TRY400 - no traceback
                self._stop.wait(RETRY_S)
