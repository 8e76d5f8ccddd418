"""Frames of the Hamamatsu C11204: ``STX`` + letters and parameters + ``ETX`` + two hex digits of checksum + ``CR``.

The checksum is the sum of every byte from STX to ETX, both included, modulo 256. STX and ETX never occur inside, so a reader
that lost its place finds it again at the next STX. Source: C11204-02 command reference, p. 5.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

STX = 0x02
ETX = 0x03
CR = 0x0D

MAX_LENGTH = 256
"""Longest packet the device accepts, bytes; anything longer is a syntax error to it."""

_TAIL = 3
"""Bytes after ETX: checksum and CR."""


class Flaw(Enum):
    """What is wrong with a piece of the byte stream."""

    TRUNCATED = "frame cut short"
    """A new STX before the frame was complete."""
    TOO_LONG = "frame longer than 256 bytes"
    CHECKSUM = "bad checksum"
    NO_CR = "no CR after checksum"


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame whose checksum is right."""

    text: str
    """Letters and parameters between STX and ETX."""


@dataclass(frozen=True, slots=True)
class BadFrame:
    """A piece that began like a frame and is none."""

    flaw: Flaw
    data: bytes
    """As received."""


@dataclass(frozen=True, slots=True)
class Scan:
    """What was found in a stretch of the byte stream."""

    found: tuple[Frame | BadFrame, ...]
    """In the order received."""
    skipped: int
    """Bytes that belong to no frame."""
    rest: bytes
    """Start of a frame that is not complete; to be put before the next bytes."""


def checksum(data: bytes) -> int:
    """Sum of ``data`` modulo 256; ``data`` runs from STX to ETX."""
    return sum(data) & 0xFF


def encode_frame(text: str) -> bytes:
    """A whole frame around letters and parameters.

    Raises:
        ValueError: ``text`` is not plain ASCII without STX and ETX, or too long for the device.
    """
    body = text.encode("ascii")
    if STX in body or ETX in body:
        raise ValueError(f"{text!r} holds STX or ETX")
    packet = bytes((STX, *body, ETX))
    packet += b"%02X\r" % checksum(packet)
    if len(packet) > MAX_LENGTH:
        raise ValueError(f"frame of {len(packet)} bytes, the device takes {MAX_LENGTH}")
    return packet


def scan_frames(data: bytes) -> Scan:
    """Frames in ``data``.

    Splitting makes no difference: scanning ``a``, then its rest followed by ``b``, finds what scanning ``a + b`` finds.
    """
    found: list[Frame | BadFrame] = []
    skipped = 0
    position = 0
    while True:
        start = data.find(STX, position)
        if start < 0:
            return Scan(tuple(found), skipped + len(data) - position, b"")
        skipped += start - position
        end = _end_of_frame(data, start)
        if end is None:
            return Scan(tuple(found), skipped, data[start:])
        found.append(_judge(data[start:end]))
        position = end


def _end_of_frame(data: bytes, start: int) -> int | None:
    """Where the frame that begins at ``start`` ends, by its own form, by the next STX or by its length."""
    etx = data.find(ETX, start, start + MAX_LENGTH)
    limit = start + MAX_LENGTH if etx < 0 else min(etx + 1 + _TAIL, start + MAX_LENGTH)
    restart = data.find(STX, start + 1, limit)
    if restart >= 0:
        return restart
    return limit if len(data) >= limit else None


def _judge(data: bytes) -> Frame | BadFrame:
    etx = data.find(ETX)
    if etx < 0 or len(data) < etx + 1 + _TAIL:
        return BadFrame(Flaw.TOO_LONG if len(data) >= MAX_LENGTH else Flaw.TRUNCATED, data)
    if data[-1] != CR:
        return BadFrame(Flaw.NO_CR, data)
    if not _agrees(data[etx + 1 : etx + 3], checksum(data[: etx + 1])):
        return BadFrame(Flaw.CHECKSUM, data)
    body = data[1:etx]
    # A byte above 0x7F can keep the sum right only together with a second error, and no command uses it.
    return Frame(body.decode("ascii")) if body.isascii() else BadFrame(Flaw.CHECKSUM, data)


def _agrees(digits: Sequence[int], expected: int) -> bool:
    # Hosts that send lower-case hex digits are known to work, so both are accepted.
    return bytes(digits).upper() == b"%02X" % expected
