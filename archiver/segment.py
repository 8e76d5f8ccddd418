"""A log segment: one log file and the same rows in memory, until they are in the lake.

Rows are appended in memory first, from where retrieval sees them at once, and written to the file in blocks. One thread
appends, one thread writes, any thread may look; nothing that appends or looks waits for the disk.
"""

from __future__ import annotations

import errno
import logging
import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from archiver.block import FILE_HEADER_SIZE, Block, Damage, pack_block, pack_file_header, read_blocks, unpack_file_header
from archiver.rows import Rows, empty_rows
from sipmdcs.channels import PvData
from sipmdcs.durable import make_folder, rename_synced, sync_folder

logger = logging.getLogger(__name__)

_FIRST_CAPACITY = 16_384
REWRITTEN = ".rewritten"
"""Suffix of a log file that is to take the place of one that the disk failed to keep."""


@dataclass(frozen=True, slots=True)
class View:
    """The rows of a segment at one moment."""

    sequence: int
    rows: NDArray[np.void]
    pvs: NDArray[np.uint32]
    """Their PV numbers once more, side by side: ten times faster to search than within the rows."""
    payloads: list[PvData]
    """Shared with the segment, which only ever appends to it."""


class Segment:
    """Rows of one log file, in memory."""

    def __init__(self, sequence: int, path: Path, created_ns: int) -> None:
        self.sequence = sequence
        self.path = path
        self.created_ns = created_ns
        self.alive_ns = created_ns
        """Up to when it holds all that came in, as its newest block says."""
        self.payloads: list[PvData] = []
        self.bytes = 0
        """Memory of rows and payloads, about."""
        self._lock = threading.Lock()  # rows and the payloads they point to change together
        self._rows = empty_rows(_FIRST_CAPACITY)
        self._pvs = np.zeros(_FIRST_CAPACITY, np.uint32)
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def view(self) -> View:
        """The rows so far."""
        with self._lock:
            count = self._count
            return View(self.sequence, self._rows[:count], self._pvs[:count], self.payloads)

    def since(self, rows: int, payloads: int) -> tuple[NDArray[np.void], list[PvData]]:
        """Rows and payloads after so many of each, as they were added together."""
        with self._lock:
            return self._rows[rows : self._count], self.payloads[payloads:]

    def append(self, new: Rows) -> None:
        """Add rows; their payload numbers become those of this segment."""
        payloads = list(new.payloads)
        with self._lock:
            self._append(new.rows, payloads)
            self.bytes += memory_of(new.rows, payloads)

    def _append(self, rows: NDArray[np.void], payloads: list[PvData]) -> None:
        end = self._count + len(rows)
        if end > len(self._rows):
            grown = empty_rows(max(end, 2 * len(self._rows)))
            grown[: self._count] = self._rows[: self._count]
            pvs = np.zeros(len(grown), np.uint32)
            pvs[: self._count] = self._pvs[: self._count]
            self._rows, self._pvs = grown, pvs
        target = self._rows[self._count : end]
        target[:] = rows
        self._pvs[self._count : end] = rows["pv"]
        if payloads:
            numbers = target["payload"]
            numbers[numbers > 0] += len(self.payloads)
            self.payloads.extend(payloads)
        self._count = end


_OBJECT_BYTES = 64
"""Of a Python object around a string or an array."""


def memory_of(rows: NDArray[np.void], payloads: Sequence[PvData]) -> int:
    """Memory that rows and payloads take in a segment, bytes, about."""
    return rows.nbytes + sum(_payload_bytes(payload) for payload in payloads)


def _payload_bytes(payload: PvData) -> int:
    if isinstance(payload, np.ndarray):
        return _OBJECT_BYTES + payload.nbytes
    if isinstance(payload, list):
        return sum(map(_payload_bytes, payload))
    return _OBJECT_BYTES + len(payload) if isinstance(payload, str) else _OBJECT_BYTES


class SegmentFile:
    """The file of a segment that is being written."""

    def __init__(self, segment: Segment) -> None:
        """Create the file of ``segment``.

        Raises:
            OSError: the disk is full or the folder is not writable; no file is left behind.
        """
        self.segment = segment
        self._rows_written = 0
        self._payloads_written = 0
        self._bytes_written = 0
        self._fd = os.open(segment.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        self._end = 0
        self.dirty = False
        """Something was written and not yet forced to the disk."""
        self._doubtful = False
        """The disk refused to force it, or its file is gone: what the disk has is not known any more."""
        try:
            self._write(pack_file_header(segment.created_ns))
            sync_folder(segment.path.parent)  # or the file might be without a name after a loss of power
        except OSError:
            self.close()
            segment.path.unlink()
            raise

    @property
    def size(self) -> int:
        """Bytes written."""
        return self._end

    @property
    def pending(self) -> int:
        """Rows that are in memory only."""
        return len(self.segment) - self._rows_written

    @property
    def pending_bytes(self) -> int:
        """Memory of what is in memory only, bytes, about."""
        return self.segment.bytes - self._bytes_written

    def write_block(self, heard_ns: int) -> None:
        """Write what is in memory only as one block; a block without rows if there is nothing.

        Args:
            heard_ns: up to when all that came in was appended.

        Raises:
            OSError: it could not be written; the file is as before and the rows stay pending.
        """
        if self._doubtful:
            self._rewrite(heard_ns)
            return
        rows, payloads = self.segment.since(self._rows_written, self._payloads_written)
        self._write(*pack_block(rows, self._payloads_written, payloads, heard_ns))
        self._rows_written += len(rows)
        self._payloads_written += len(payloads)
        self._bytes_written += memory_of(rows, payloads)
        self.segment.alive_ns = heard_ns

    def sync(self) -> None:
        """Force everything written to the disk.

        Raises:
            OSError: the disk refused.
        """
        if not self._doubtful and not self._is_in_place():
            logger.error("%s was removed or replaced; it is written again", self.segment.path)
            self._doubtful = True
        if self._doubtful:
            self._rewrite(self.segment.alive_ns)
        if self.dirty:
            try:
                os.fdatasync(self._fd)
            except OSError:
                self._doubtful = True
                raise
            self.dirty = False

    def _is_in_place(self) -> bool:
        try:
            return os.path.samestat(self.segment.path.stat(), os.fstat(self._fd))
        except FileNotFoundError:
            return False

    def _rewrite(self, heard_ns: int) -> None:
        """Write the whole segment to another file that takes the place of this one.

        After a failed sync the kernel takes the pages for clean: the next sync would succeed without them.
        """
        spare = self.segment.path.with_suffix(REWRITTEN)
        rows, payloads = self.segment.since(0, 0)
        parts = (pack_file_header(self.segment.created_ns), *pack_block(rows, 0, payloads, heard_ns))
        make_folder(spare.parent)
        fd = os.open(spare, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
        try:
            _write_all(fd, parts, spare)
            os.fdatasync(fd)
            rename_synced(spare, self.segment.path)
        except OSError:
            os.close(fd)
            raise
        os.close(self._fd)
        self._fd, self._end = fd, sum(map(len, parts))
        self._rows_written, self._payloads_written = len(rows), len(payloads)
        self._bytes_written = memory_of(rows, payloads)
        self.segment.alive_ns = heard_ns
        self.dirty = self._doubtful = False

    def close(self) -> None:
        """Close the file; the segment in memory stays."""
        os.close(self._fd)

    def _write(self, *parts: bytes | memoryview) -> None:
        try:
            _write_all(self._fd, parts, self.segment.path)
        except OSError:
            os.ftruncate(self._fd, self._end)
            os.lseek(self._fd, self._end, os.SEEK_SET)
            raise
        self._end += sum(map(len, parts))
        self.dirty = True


def _write_all(fd: int, parts: Sequence[bytes | memoryview], path: Path) -> None:
    done = os.writev(fd, [part for part in parts if len(part)])
    if done != sum(map(len, parts)):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))


@dataclass(frozen=True, slots=True)
class Recovered:
    """A log file read back after a stop."""

    segment: Segment
    damaged_bytes: int


def recover(sequence: int, path: Path) -> Recovered:
    """Read a log file back; damaged parts are left out, and a damaged tail is cut from the file.

    It is forced to the disk: a process that was killed may have written it without.

    Raises:
        NotALog: the file is no log of this version.
        OSError: it cannot be read.
    """
    with path.open("r+b") as file:
        data = file.read()
        segment = Segment(sequence, path, unpack_file_header(data))
        damaged = 0
        end = FILE_HEADER_SIZE
        for item in read_blocks(data):
            if isinstance(item, Damage):
                damaged += item.end - item.start
                continue
            _restore(segment, item)
            end = item.end
        file.truncate(end)
        os.fdatasync(file.fileno())
    return Recovered(segment, damaged)


def _restore(segment: Segment, block: Block) -> None:
    rows = block.rows
    if block.payloads:
        rows = rows.copy()
        numbers = rows["payload"]
        numbers[numbers > 0] -= block.first_payload
    segment.append(Rows(rows, block.payloads))
    segment.alive_ns = max(segment.alive_ns, block.heard_ns)
