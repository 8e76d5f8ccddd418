"""The archiver at work: threads between a capture and the storage.

============  ==========================================================================
capture       drains events and makes rows of them, in memory; never waits for a disk
log           writes the rows and forces them to the disk
upkeep        compacts and merges
metadata      asks PVs for units, limits, labels and types
renewal       after a loss of events or files monitors every PV anew, so that its value is known
============  ==========================================================================

A thread that fails ends the engine: ``failure`` tells why, and the process should end so that it is started again. A
full disk is no failure: it is counted, shown, and tried again.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from archiver.metadata import MetadataWatch
from archiver.recorder import PvActivity, Recorder
from archiver.rows import Cause, Loss, Rows, loss_rows
from archiver.storage import Storage
from sipmdcs.channels import Capture, Channels, Mask
from sipmdcs.errors import ServiceError
from sipmdcs.pvinfo import ArchiveMethod, ArchivePolicy

logger = logging.getLogger(__name__)

DRAIN_S = 0.15
WRITE_S = 0.15
UPKEEP_S = 1.0
RETRY_S = 5.0
QUIET_S = 2.0
"""After a loss PVs are monitored anew when nothing was lost for this long."""
RENEW_S = 30.0
"""They are monitored anew at most this often."""
_CONNECT_S = 10.0
"""Time for the new monitors to connect before the old ones end."""


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

    def __init__(
        self,
        storage: Storage,
        channels: Channels,
        policies: Mapping[str, ArchivePolicy],
        aliases: Mapping[str, str] | None = None,
    ) -> None:
        """Begin a run of the storage and monitor the PVs.

        Args:
            storage: opened and not started.
            channels: Channel Access.
            policies: PVs and how to archive them.
            aliases: name of the PV by alias; if left out, records are asked for their names.

        Raises:
            ServiceError: the archive cannot be written.
            NotConnected: a name that no PV can have.
        """
        self._storage = storage
        self._clock = storage.clock
        if aliases is None:
            known = storage.catalogue.aliases()
            policies = {
                name: policy
                for name, policy in policies.items()
                if known.get(name, name) == name or known[name] not in policies
            }
        numbers = storage.start(policies, aliases)
        newest = storage.newest_ns()
        self._index = {name: index for index, name in enumerate(numbers)}
        periods = [p.period_s if p.method is ArchiveMethod.SCAN else 0.0 for p in policies.values()]
        ids = list(numbers.values())
        self.recorder = Recorder(ids, periods, [newest[number] for number in ids])
        self.counters = Counters(compacted_at=self._clock.monotonic())
        self._metadata = MetadataWatch(
            channels, storage.catalogue, self.recorder, list(numbers), ids, self._clock, find_aliases=aliases is None
        )
        self._stop = threading.Event()
        self._captured = threading.Event()
        """Nothing more comes in."""
        self._threads: list[threading.Thread] = []
        self._lost_at: float | None = None
        """When something was lost last and PVs were not yet monitored anew, monotonic seconds."""
        self.failed = threading.Event()
        self.failure: BaseException | None = None
        self._channels = channels
        self._draining = threading.Lock()
        self._drained_ns = self._clock.time_ns()
        storage.log.heard(self._drained_ns)
        self._captures: tuple[Capture, ...] = (self._monitor_all(),)

    def _monitor_all(self) -> Capture:
        return self._channels.capture(list(self._index), mask=Mask.LOG | Mask.ALARM)

    @property
    def size(self) -> int:
        """How many PVs are archived."""
        return len(self._index)

    def start(self) -> None:
        """Start the threads."""
        work = {
            "capture": self._capture_until_stopped,
            "log": self._write_until_stopped,
            "upkeep": self._upkeep_until_stopped,
            "metadata": self._metadata_until_stopped,
            "renewal": self._renew_until_stopped,
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
        for capture in self._captures:
            capture.close()

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
        try:
            while not self._stop.wait(DRAIN_S):
                self._drain_once()
            self._drain_once()
            self._append(self.recorder.flush(), self._clock.time_ns())
        finally:
            self._captured.set()

    def _drain_once(self) -> None:
        with self._draining:
            heard_ns = self._clock.time_ns()  # before the drain: what comes in meanwhile waits for the next one
            for capture in self._captures:
                self._drain(capture)
            self._drained_ns = heard_ns
            self._storage.log.heard(heard_ns)

    def _drain(self, capture: Capture) -> None:
        batch = capture.drain()
        now_ns = self._clock.time_ns()
        if batch.dropped:
            self.counters.lost_overload += batch.dropped
            logger.error("%d events lost: they came faster than they were taken", batch.dropped)
            self._note_loss(Cause.OVERLOAD, batch.dropped, now_ns)
        self._append(self.recorder.take(batch, now_ns), now_ns)

    def _append(self, rows: Rows, now_ns: int) -> None:
        if not self._storage.log.append(rows):
            self.counters.lost_disk += len(rows.rows)
            self._note_loss(Cause.DISK, len(rows.rows), now_ns)

    def _note_loss(self, cause: Cause, count: int, now_ns: int) -> None:
        """Whatever came in since the last time may be lost."""
        loss = Loss(min(self._drained_ns, now_ns), now_ns, cause, count)
        self._storage.log.append(loss_rows(loss), always=True)
        self._lost_at = self._clock.monotonic()

    def _renew_until_stopped(self) -> None:
        renewed_at = -RENEW_S
        damaged = 0
        while not self._stop.wait(UPKEEP_S):
            if len(self._storage.lake.damaged) > damaged:  # with it the only sample of a steady PV may be lost
                damaged = len(self._storage.lake.damaged)
                self._lost_at = self._clock.monotonic()
            now, lost_at = self._clock.monotonic(), self._lost_at
            if lost_at is not None and now - lost_at >= QUIET_S and now - renewed_at >= RENEW_S:
                self._lost_at = None
                self._renew()
                renewed_at = self._clock.monotonic()

    def _renew(self) -> None:
        """Monitor every PV anew: the connections and first values that this gives end the time in which nothing is known."""
        (old,) = self._captures
        new = self._monitor_all()
        with self._draining:
            self._captures = (old, new)
        deadline = self._clock.monotonic() + _CONNECT_S
        while np.any(old.connected() & ~new.connected()) and self._clock.monotonic() < deadline:
            if self._stop.wait(DRAIN_S):
                return
        with self._draining:
            self._drain(old)
            self._captures = (new,)
            self.recorder.adjust_connected(new.connected())
        old.close()
        logger.info("%d PVs are monitored anew after a loss", self.size)

    def _write_until_stopped(self) -> None:
        while not self._captured.wait(WRITE_S):
            self._write()
        self._write()

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
                if self._storage.maintain().catalogue_anew:
                    self._metadata.refresh()
                self.counters.compacted_at = self._clock.monotonic()
            except (OSError, ServiceError) as err:
                self.counters.compact_errors += 1
                logger.error("compaction failed and is tried again: %s", err)  # noqa: TRY400 - no traceback
                self._stop.wait(RETRY_S)

    def _metadata_until_stopped(self) -> None:
        while not self._stop.wait(UPKEEP_S):
            try:
                self._metadata.update()
            except ServiceError as err:
                logger.error("metadata cannot be stored and are asked for again: %s", err)  # noqa: TRY400 - no traceback
                self._stop.wait(RETRY_S)
