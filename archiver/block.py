r"""Blocks of the capture log: what one drain of the capture brought, with length and checksum.

A log file is a file header and then blocks. Everything is little endian.

======================  =====================================================================================
file header             ``DCSLOG1\0``, size of a row (u4), zero (u4), time of creation (i8, Unix ns)
block header            ``DCSB``, CRC-32 of all that follows in the block (u4), rows (u4), payload bytes (u4),
                        number of the first payload in the file (u4), payloads (u4), time written (i8, Unix ns)
block body              rows (``rows.ROW``), payloads (``payload``)
======================  =====================================================================================

A block without rows says that the archiver was alive at that time.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from archiver import payload
from archiver.rows import ROW
from sipmdcs.channels import PvData

_FILE = struct.Struct("<8sIIq")
_FILE_MAGIC = b"DCSLOG1\0"
_BLOCK_MAGIC = b"DCSB"
_CHECK = struct.Struct("<4sI")
_BLOCK = struct.Struct("<IIIIq")
_HEAD_SIZE = _CHECK.size + _BLOCK.size

FILE_HEADER_SIZE = _FILE.size


class NotALog(ValueError):
    """The file does not start like a capture log of this version."""


@dataclass(frozen=True, slots=True)
class Block:
    """One block as read back."""

    rows: NDArray[np.void]
    first_payload: int
    payloads: list[PvData]
    heard_ns: int
    """Up to when all that came in is in this block and those before, Unix ns."""
    end: int
    """Position of the byte after the block."""


@dataclass(frozen=True, slots=True)
class Damage:
    """Bytes of a log file that are no valid block."""

    start: int
    end: int


def pack_file_header(created_ns: int) -> bytes:
    """The first bytes of a log file."""
    return _FILE.pack(_FILE_MAGIC, ROW.itemsize, 0, created_ns)


def unpack_file_header(data: bytes) -> int:
    """Time of creation.

    Raises:
        NotALog: these are not the first bytes of a log file.
    """
    if len(data) < _FILE.size:
        raise NotALog("shorter than a log file header")
    magic, row_size, _, created_ns = _FILE.unpack_from(data)
    if magic != _FILE_MAGIC or row_size != ROW.itemsize:
        raise NotALog(f"starts with {magic!r} and rows of {row_size} bytes")
    return created_ns


def pack_block(
    rows: NDArray[np.void], first_payload: int, payloads: Sequence[PvData], heard_ns: int
) -> tuple[bytes, memoryview, bytes]:
    """Header, rows and payloads of a block, to be written one after the other without copying the rows."""
    body = rows.view(np.uint8).data if len(rows) else memoryview(b"")
    tail = payload.encode(payloads) if payloads else b""
    head = _BLOCK.pack(len(rows), len(tail), first_payload, len(payloads), heard_ns)
    crc = zlib.crc32(tail, zlib.crc32(body, zlib.crc32(head)))
    return _CHECK.pack(_BLOCK_MAGIC, crc) + head, body, tail


def read_blocks(data: bytes) -> Iterator[Block | Damage]:
    """Every valid block of a log file, and what lies between them.

    A tail that was being written when the process died comes out as ``Damage`` up to the end; so does anything in
    the middle that a disk spoilt, and the blocks after it are found again.
    """
    position = FILE_HEADER_SIZE
    while position < len(data):
        block = _block_at(data, position)
        if block is not None:
            yield block
            position = block.end
            continue
        start = position
        while block is None and position != -1:
            position = data.find(_BLOCK_MAGIC, position + 1)
            block = None if position == -1 else _block_at(data, position)
        position = len(data) if position == -1 else position
        yield Damage(start, position)


def _block_at(data: bytes, position: int) -> Block | None:
    body_start = position + _HEAD_SIZE
    if body_start > len(data):
        return None
    magic, crc = _CHECK.unpack_from(data, position)
    count, tail_size, first_payload, n_payloads, heard_ns = _BLOCK.unpack_from(data, position + _CHECK.size)
    tail_start = body_start + count * ROW.itemsize
    end = tail_start + tail_size
    if magic != _BLOCK_MAGIC or end > len(data):
        return None
    view = memoryview(data)
    if zlib.crc32(view[position + _CHECK.size : end]) != crc:
        return None
    rows = np.frombuffer(data, ROW, count, body_start)
    payloads = payload.decode(data[tail_start:end])
    if len(payloads) != n_payloads:
        raise ValueError(f"block at byte {position} has {len(payloads)} payloads, its header says {n_payloads}")
    return Block(rows, first_payload, payloads, heard_ns, end)
