"""The capture log: the durability boundary of the archive.

A sequence of segments. The last one is being written; older ones are sealed and wait to be compacted into the lake. The
log takes rows in memory first, so a full disk stops writing but not capturing, until the memory set aside for that is
used up; then the newest rows are lost, and counted.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from pathlib import Path

from archiver.block import NotALog
from archiver.rows import Rows
from archiver.segment import Recovered, Segment, SegmentFile, View, recover
from sipmdcs.clock import Clock

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LogLimits:
    """When the log does what."""

    sync_s: float = 0.4
    """What is written is forced to the disk this often; with one drain period added, nothing older than a second is
    ever lost."""
    alive_s: float = 1.0
    """An empty block says that the archiver is alive, if nothing else was written for this long."""
    segment_bytes: int = 48_000_000
    """A segment is sealed when its rows and payloads take this much memory."""
    segment_s: float = 300.0
    """A segment is sealed when it is this old."""
    pending_rows: int = 2_000_000
    """Rows that wait in memory for a disk that refuses them, 40 bytes each."""


class Log:
    """The log in one folder. One thread appends and writes; any thread may take views and seal."""

    def __init__(self, folder: Path, clock: Clock, limits: LogLimits | None = None) -> None:
        """Recover what is in ``folder``; call ``start`` before appending."""
        self._folder = folder
        self._clock = clock
        self._limits = limits or LogLimits()
        self._sealed: tuple[Segment, ...] = ()
        self._lock = threading.Lock()  # guards _sealed: the writer seals, the compactor forgets
        self._seal_wanted = False
        self._file: SegmentFile | None = None
        self._segment: Segment | None = None
        self._next_sequence = 1
        self._synced_at = self._clock.monotonic()
        self._written_at = self._synced_at
        self._opened_at = self._synced_at
        self.alive_ns = 0
        """When the log was last written before this start; 0 if never."""
        self.damaged_bytes = 0
        """Bytes that recovery had to leave out."""
        self._recover()

    def _recover(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        found: list[Recovered] = []
        for path in sorted(path for path in self._folder.glob("*.log") if path.stem.isdecimal()):
            sequence = int(path.stem)
            self._next_sequence = max(self._next_sequence, sequence + 1)
            try:
                found.append(recover(sequence, path))
            except NotALog as err:
                self.damaged_bytes += path.stat().st_size
                logger.warning("%s: no log file: %s; set aside", path, err)
                path.rename(path.with_suffix(".bad"))
        self._sealed = tuple(item.segment for item in found)
        self.damaged_bytes += sum(item.damaged_bytes for item in found)
        self.alive_ns = max((segment.alive_ns for segment in self._sealed), default=0)

    def forget(self, through: int) -> None:
        """Remove segments up to and including number ``through``: they are in the lake."""
        with self._lock:
            gone = [segment for segment in self._sealed if segment.sequence <= through]
            self._sealed = tuple(segment for segment in self._sealed if segment.sequence > through)
        for segment in gone:
            segment.path.unlink(missing_ok=True)
        self._next_sequence = max(self._next_sequence, through + 1)

    def start(self) -> None:
        """Open the first segment.

        Raises:
            OSError: no file can be made.
        """
        self._segment, self._file = self._new_segment()

    def _new_segment(self) -> tuple[Segment, SegmentFile]:
        segment = Segment(self._next_sequence, self._folder / f"{self._next_sequence:08d}.log", self._clock.time_ns())
        file = SegmentFile(segment)
        self._next_sequence += 1
        self._opened_at = self._clock.monotonic()
        return segment, file

    @property
    def sealed(self) -> tuple[Segment, ...]:
        """Segments that are complete, oldest first."""
        return self._sealed

    def views(self) -> list[View]:
        """What is not yet in the lake, oldest first. Take it before reading the catalogue: see ``reader``."""
        current = self._segment  # before the sealed ones: a segment sealed in between then shows twice, never not at all
        views = [segment.view() for segment in self._sealed]
        if current is not None and all(view.sequence != current.sequence for view in views):
            views.append(current.view())
        return views

    @property
    def pending(self) -> int:
        """Rows that are in memory only."""
        return self._file.pending if self._file else 0

    @property
    def bytes_on_disk(self) -> int:
        """Bytes of all log files."""
        sealed = (segment.path for segment in self._sealed)
        return sum(path.stat().st_size for path in sealed if path.exists()) + (self._file.size if self._file else 0)

    @property
    def unsafe_s(self) -> float:
        """Seconds since the disk last confirmed what was written; what came later may be lost if the machine dies."""
        return self._clock.monotonic() - self._synced_at

    def append(self, new: Rows) -> bool:
        """Take rows in memory.

        Returns:
            Whether they were taken: not if the disk has refused to write for so long that memory is used up.
        """
        assert self._segment is not None  # noqa: S101 - start() comes first
        if self.pending + len(new.rows) > self._limits.pending_rows:
            return False
        self._segment.append(new)
        return True

    def write(self) -> None:
        """Write what is in memory only, force it to the disk if that is due, and seal the segment if it is full.

        Raises:
            OSError: the disk refuses; nothing is lost, call again later.
        """
        file = self._file
        assert file is not None  # noqa: S101 - start() comes first
        now = self._clock.monotonic()
        if file.pending or now - self._written_at >= self._limits.alive_s:
            file.write_block(self._clock.time_ns())
            self._written_at = now
        if now - self._synced_at >= self._limits.sync_s:
            file.sync()
            self._synced_at = now
        wanted, self._seal_wanted = self._seal_wanted, False
        if len(self._segment or ()) > 0 and (wanted or self._full()):
            self._seal()

    def _full(self) -> bool:
        assert self._segment is not None  # noqa: S101
        age = self._clock.monotonic() - self._opened_at
        size = 40 * len(self._segment) + self._segment.size
        return age >= self._limits.segment_s or size >= self._limits.segment_bytes

    def request_seal(self) -> None:
        """Have the segment sealed at the next ``write``, whatever its age."""
        self._seal_wanted = True

    def _seal(self) -> None:
        file, segment = self._file, self._segment
        assert file is not None  # noqa: S101
        assert segment is not None  # noqa: S101
        file.sync()
        new_segment, new_file = self._new_segment()
        with self._lock:
            self._sealed = (*self._sealed, segment)
        # After it is among the sealed: views() looks at the present one first and so cannot miss a segment.
        self._segment, self._file = new_segment, new_file
        file.close()

    def close(self) -> None:
        """Write and sync what is there and close the file.

        Raises:
            OSError: the disk refuses; rows that were pending are lost.
        """
        if self._file is None:
            return
        file, self._file = self._file, None
        try:
            file.write_block(self._clock.time_ns())
            file.sync()
        finally:
            file.close()
