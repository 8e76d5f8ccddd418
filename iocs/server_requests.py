"""From the bytes of a connection to requests: the framing of Channel Access over TCP.

A message is a header of 16 bytes (24 in the long form of protocol 4.9), then a payload that is a multiple of eight bytes.
"""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct
from typing import NamedTuple

_HEADER = Struct(">HHHHII")
_LONG_HEADER = Struct(">HHHHIIII")
MAX_SHORT = 0xFFFF
SMALL_REQUEST = 16_384
"""Bytes of payload that are enough for every request but a put to a long array (``MAX_TCP`` of EPICS Base)."""


def message_header(command: int, size: int, dbr: int, count: int, first: int, second: int) -> bytes:
    """Header of a message, in the long form where payload or count need it."""
    if size < MAX_SHORT and count < MAX_SHORT:
        return _HEADER.pack(command, size, dbr, count, first, second)
    return _LONG_HEADER.pack(command, MAX_SHORT, dbr, 0, first, second, size, count)


class ProtocolError(Exception):
    """Client and server no longer agree on what the bytes mean, or on which channels there are."""


class Request(NamedTuple):
    """One message of a client."""

    command: int
    dbr: int
    elements: int
    first: int
    second: int
    payload: bytes | None
    """``None`` if it was too large to be kept."""
    size: int
    """Bytes of payload that the header announced."""

    def header(self) -> bytes:
        """The header, as it is repeated to the client."""
        return message_header(self.command, self.size, self.dbr, self.elements, self.first, self.second)


class RequestReader:
    """Cuts a stream of bytes into requests.

    Args:
        admit: whether so many bytes may be held for one request; asked for every payload larger than ``SMALL_REQUEST``.
    """

    def __init__(self, admit: Callable[[int], bool]) -> None:
        self._admit = admit
        self._buffer = bytearray()
        self._position = 0
        self._admitted = False
        """Whether room was made for the large request that is under way."""
        self._skip = 0
        """Bytes still to come of a payload that is not kept."""

    def __len__(self) -> int:
        """Bytes that wait to become a request."""
        return len(self._buffer) - self._position

    @property
    def is_between_requests(self) -> bool:
        """Whether no request has begun without being complete."""
        return not self._skip and len(self._buffer) == self._position

    def feed(self, data: bytes) -> None:
        """Take what the client sent."""
        if self._skip:
            skipped = min(self._skip, len(data))
            self._skip -= skipped
            data = data[skipped:]
        if self._position:
            del self._buffer[: self._position]
            self._position = 0
        self._buffer += data

    def next(self) -> Request | None:
        """The next request that is complete, or that is too large to be kept.

        Raises:
            ProtocolError: the payload is not a multiple of eight bytes.
        """
        buffer, start = self._buffer, self._position
        available = len(buffer) - start - 16
        if available < 0:
            return None
        command, size, dbr, count, first, second = _HEADER.unpack_from(buffer, start)
        body = start + 16
        if size == MAX_SHORT:
            if available < 8:
                return None
            size, count = _LONG_HEADER.unpack_from(buffer, start)[6:]
            body += 8
        if size & 7:
            raise ProtocolError(f"a payload of {size} bytes, not a multiple of 8")
        end = body + size
        if size > SMALL_REQUEST and not self._admitted:
            if not self._admit(size):
                self._skip = max(end - len(buffer), 0)
                self._position = min(end, len(buffer))
                return Request(command, dbr, count, first, second, None, size)
            self._admitted = True
        if end > len(buffer):
            return None
        self._position = end
        self._admitted = False
        return Request(command, dbr, count, first, second, bytes(buffer[body:end]), size)
