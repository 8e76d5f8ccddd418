"""The capture log: the durability boundary of the archive.

A sequence of segments. The last one is being written; older ones are sealed and wait to be compacted into the lake. The
log takes rows in memory first, so a disk that is slow, stuck or full stops writing but not capturing, until the memory
set aside for that is used up; then the newest rows are lost, and counted.
"""

from __future__ import annotations

import logging
import threading
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from archiver.block import NotALog
from archiver.rows import Rows
from archiver.segment import REWRITTEN, Recovered, Segment, SegmentFile, View, memory_of, recover
from sipmdcs.clock import Clock
from sipmdcs.durable import make_folder

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LogLimits:
    """When the log does what."""

    sync_s: float = 0.4
    """What is written is forced to the disk this often; with one write period added, nothing older than a second is
    ever lost while the disk answers in time. ``Log.unsafe_s`` says how old the oldest such row is."""
    alive_s: float = 1.0
    """An empty block says that the archiver is alive, if nothing else was written for this long."""
    segment_bytes: int = 48_000_000
    """A segment is sealed when its rows and payloads take this much memory."""
    segment_s: float = 300.0
    """A segment is sealed when it is this old."""
    pending_bytes: int = 256_000_000
    """Memory for rows that wait for a disk which does not take them: of numbers 6.4 million, 40 bytes each."""


class Log:
    """The log in one folder. One thread appends, one thread writes; any thread may take views and request a seal."""

    def __init__(self, folder: Path, clock: Clock, limits: LogLimits | None = None) -> None:
        """Recover what is in ``folder``; call ``start`` before appending."""
        self._folder = folder
        self._clock = clock
        self._limits = limits or LogLimits()
        # Guards which segments there are and which one takes rows; never held while the disk is waited for.
        self._lock = threading.Lock()
        self._closing: SegmentFile | None = None
        """Takes no rows any more and is sealed as soon as the disk has all of it."""
        self._file: SegmentFile | None = None
        self._seal_wanted = False
        self._next_sequence = 1
        self._synced_at = self._clock.monotonic()
        self._written_at = self._synced_at
        self._opened_at: float
        self._heard_ns: int | None = None
        self.damaged_bytes = 0
        """Bytes that recovery had to leave out."""
        self._sealed = self._recover()
        self.alive_ns = max((segment.alive_ns for segment in self._sealed), default=0)
        """Up to when the log of before this start holds all that came in; 0 if there is none."""

    def _recover(self) -> tuple[Segment, ...]:
        for path in self._folder.glob(f"*{REWRITTEN}"):  # a stop came first: the file that it was to replace is there
            path.unlink()
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
        self.damaged_bytes += sum(item.damaged_bytes for item in found)
        return tuple(item.segment for item in found)

    def forget(self, through: int) -> None:
        """Remove segments up to and including number ``through``: they are in the lake."""
        with self._lock:
            gone = [segment for segment in self._sealed if segment.sequence <= through]
            self._sealed = tuple(segment for segment in self._sealed if segment.sequence > through)
            self._next_sequence = max(self._next_sequence, through + 1)
        for segment in gone:
            segment.path.unlink(missing_ok=True)

    def start(self) -> None:
        """Open the first segment.

        Raises:
            OSError: no file can be made.
        """
        self._file = self._new_file()

    def _new_file(self) -> SegmentFile:
        make_folder(self._folder)
        sequence = self._next_sequence
        file = SegmentFile(Segment(sequence, self._folder / f"{sequence:08d}.log", self.heard_ns))
        with self._lock:
            self._next_sequence = max(self._next_sequence, sequence + 1)
        self._opened_at = self._clock.monotonic()
        return file

    @property
    def sealed(self) -> tuple[Segment, ...]:
        """Segments that are complete, oldest first."""
        return self._sealed

    @property
    def sequences(self) -> list[int]:
        """Numbers of the segments, sealed or not."""
        return [view.sequence for view in self.views()]

    def views(self) -> list[View]:
        """What is not yet in the lake, oldest first. Take it before reading the catalogue: see ``reader``."""
        with self._lock:
            segments = [*self._sealed, *(file.segment for file in self._files())]
        return [segment.view() for segment in segments]

    def _files(self) -> list[SegmentFile]:
        return [file for file in (self._closing, self._file) if file is not None]

    @property
    def pending(self) -> int:
        """Rows that are in memory only."""
        with self._lock:
            return sum(file.pending for file in self._files())

    @property
    def pending_bytes(self) -> int:
        """Memory of the rows that are in memory only, bytes, about."""
        with self._lock:
            return sum(file.pending_bytes for file in self._files())

    @property
    def bytes_on_disk(self) -> int:
        """Bytes of all log files; asks the disk."""
        with self._lock:
            sealed, files = self._sealed, self._files()
        return sum(s.path.stat().st_size for s in sealed if s.path.exists()) + sum(file.size for file in files)

    @property
    def unsafe_s(self) -> float:
        """Seconds since the disk last confirmed what was written; what came later may be lost if the machine dies."""
        return self._clock.monotonic() - self._synced_at

    def append(self, new: Rows, *, always: bool = False) -> bool:
        """Take rows in memory; never waits for the disk.

        Args:
            new: rows.
            always: take them whatever memory is left, for the few that say what was lost.

        Returns:
            Whether they were taken: not if the disk has taken nothing for so long that memory is used up.
        """
        rows = Rows(new.rows, list(new.payloads))
        size = memory_of(rows.rows, rows.payloads)
        with self._lock:
            assert self._file is not None  # noqa: S101 - start() comes first
            if not always and sum(file.pending_bytes for file in self._files()) + size > self._limits.pending_bytes:
                return False
            self._file.segment.append(rows)  # within the lock, or the segment might be sealed without them
            return True

    def heard(self, until_ns: int) -> None:
        """Say that all that came in until then was appended. Who never says so appends everything at once."""
        self._heard_ns = until_ns

    @property
    def heard_ns(self) -> int:
        """Up to when all that came in was appended."""
        return self._clock.time_ns() if self._heard_ns is None else self._heard_ns

    def write(self) -> None:
        """Write what is in memory only, force it to the disk if that is due, and seal the segment if it is full.

        Raises:
            OSError: the disk refuses; nothing is lost, call again later.
        """
        file = self._file
        assert file is not None  # noqa: S101 - start() comes first
        self._finish_closing()
        now = self._clock.monotonic()
        if file.pending or now - self._written_at >= self._limits.alive_s:
            file.write_block(self.heard_ns)
            self._written_at = now
        if now - self._synced_at >= self._limits.sync_s:
            file.sync()
            self._synced_at = now
        wanted, self._seal_wanted = self._seal_wanted, False
        if len(file.segment) > 0 and (wanted or self._full(file.segment)):
            self._seal(file)

    def _full(self, segment: Segment) -> bool:
        age = self._clock.monotonic() - self._opened_at
        return age >= self._limits.segment_s or segment.bytes >= self._limits.segment_bytes

    def request_seal(self) -> None:
        """Have the segment sealed at the next ``write``, whatever its age."""
        self._seal_wanted = True

    def _seal(self, file: SegmentFile) -> None:
        new_file = self._new_file()
        with self._lock:
            self._closing, self._file = file, new_file
        self._finish_closing()

    def _finish_closing(self) -> None:
        """Have on the disk what came in up to the moment of sealing; only then the segment counts as sealed."""
        file = self._closing
        if file is None:
            return
        if file.pending:
            file.write_block(self.heard_ns)
        file.sync()
        with self._lock:
            self._closing = None
            self._sealed = (*self._sealed, file.segment)
        file.close()

    def close(self) -> None:
        """Write and sync what is there and close the file.

        Raises:
            OSError: the disk refuses; rows that were pending are lost.
        """
        with self._lock:
            files, self._closing, self._file = self._files(), None, None
        with ExitStack() as closing:
            for file in files:
                closing.callback(file.close)
            for file in files:
                file.write_block(self.heard_ns)
                file.sync()
