"""A log segment: one log file and the same rows in memory, until they are in the lake.

Rows are appended in memory first, from where retrieval sees them at once, and written to the file in blocks. One thread
appends; any thread may look.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from archiver.block import FILE_HEADER_SIZE, Block, Damage, pack_block, pack_file_header, read_blocks, unpack_file_header
from archiver.lake import sync_folder
from archiver.rows import Rows, empty_rows
from sipmdcs.channels import PvData

_FIRST_CAPACITY = 16_384


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
        """When the newest block was written."""
        self.payloads: list[PvData] = []
        self.size = 0
        """Bytes of payloads in memory, about."""
        self._rows = empty_rows(_FIRST_CAPACITY)
        self._pvs = np.zeros(_FIRST_CAPACITY, np.uint32)
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def view(self) -> View:
        """The rows so far."""
        count = self._count
        return View(self.sequence, self._rows[:count], self._pvs[:count], self.payloads)

    def append(self, new: Rows) -> None:
        """Add rows; their payload numbers become those of this segment."""
        end = self._count + len(new.rows)
        if end > len(self._rows):
            grown = empty_rows(max(end, 2 * len(self._rows)))
            grown[: self._count] = self._rows[: self._count]
            pvs = np.zeros(len(grown), np.uint32)
            pvs[: self._count] = self._pvs[: self._count]
            self._rows, self._pvs = grown, pvs
        target = self._rows[self._count : end]
        target[:] = new.rows
        self._pvs[self._count : end] = new.rows["pv"]
        if new.payloads:
            numbers = target["payload"]
            numbers[numbers > 0] += len(self.payloads)
            self.payloads.extend(new.payloads)
            self.size += sum(_size(payload) for payload in new.payloads)
        self._count = end  # last, so that a view never shows half a row


def _size(payload: PvData) -> int:
    return payload.nbytes if isinstance(payload, np.ndarray) else 64


class SegmentFile:
    """The file of a segment that is being written."""

    def __init__(self, segment: Segment) -> None:
        """Create the file.

        Raises:
            OSError: the disk is full or the folder is not writable; no file is left behind.
        """
        self._segment = segment
        self._rows_written = 0
        self._payloads_written = 0
        self._fd = os.open(segment.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        self._end = 0
        self.dirty = False
        """Something was written and not yet forced to the disk."""
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
        return len(self._segment) - self._rows_written

    def write_block(self, now_ns: int) -> None:
        """Write what is in memory only as one block; a block without rows if there is nothing.

        Raises:
            OSError: it could not be written; the file is as before and the rows stay pending.
        """
        segment = self._segment
        count, payload_count = len(segment), len(segment.payloads)
        rows = segment.view().rows[self._rows_written : count]
        payloads = segment.payloads[self._payloads_written : payload_count]
        self._write(*pack_block(rows, self._payloads_written, payloads, now_ns))
        self._rows_written, self._payloads_written = count, payload_count
        segment.alive_ns = now_ns

    def sync(self) -> None:
        """Force everything written to the disk.

        Raises:
            OSError: the disk refused.
        """
        if self.dirty:
            os.fdatasync(self._fd)
            self.dirty = False

    def close(self) -> None:
        """Close the file; the segment in memory stays."""
        os.close(self._fd)

    def _write(self, *parts: bytes | memoryview) -> None:
        wanted = sum(len(part) for part in parts)
        try:
            done = os.writev(self._fd, [part for part in parts if len(part)])
            if done != wanted:
                raise OSError(28, "No space left on device", str(self._segment.path))
        except OSError:
            os.ftruncate(self._fd, self._end)
            os.lseek(self._fd, self._end, os.SEEK_SET)
            raise
        self._end += wanted
        self.dirty = True


@dataclass(frozen=True, slots=True)
class Recovered:
    """A log file read back after a stop."""

    segment: Segment
    damaged_bytes: int


def recover(sequence: int, path: Path) -> Recovered:
    """Read a log file back; damaged parts are left out, and a damaged tail is cut from the file.

    Raises:
        NotALog: the file is no log of this version.
        OSError: it cannot be read.
    """
    data = path.read_bytes()
    segment = Segment(sequence, path, unpack_file_header(data))
    damaged = 0
    end = FILE_HEADER_SIZE
    for item in read_blocks(data):
        if isinstance(item, Damage):
            damaged += item.end - item.start
            continue
        _restore(segment, item)
        end = item.end
    if end < len(data):
        os.truncate(path, end)
    return Recovered(segment, damaged)


def _restore(segment: Segment, block: Block) -> None:
    rows = block.rows
    if block.payloads:
        rows = rows.copy()
        numbers = rows["payload"]
        numbers[numbers > 0] -= block.first_payload
    segment.append(Rows(rows, block.payloads))
    segment.alive_ns = max(segment.alive_ns, block.written_ns)
