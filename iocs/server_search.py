"""Searches over UDP: which of the names in a datagram are ours.

Every IOC on a host hears every search, so this runs far more often than anything it finds; hence no message objects.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from struct import Struct

VERSION, SEARCH = 0, 6
PROTOCOL_VERSION = 13
SEQUENCE_VALID = 1
ANSWER_FROM_SENDER = 0xFFFF_FFFF
MAX_DATAGRAM = 1024
"""Largest datagram sent (``MAX_UDP_SEND`` of EPICS Base)."""

_HEADER = Struct(">HHHHII")
_ANSWER = Struct(">HHHHIIHxxxxxx")


@dataclass(slots=True)
class Request:
    """What one datagram asks."""

    sequence: int | None = None
    """Number of the datagram, which the answer repeats."""
    names: list[tuple[int, str]] = field(default_factory=list)
    """Client's channel number and name of each channel searched for."""


def parse_searches(datagram: bytes) -> Request:
    """All searches in a datagram; what is cut off or of another kind is skipped."""
    request = Request()
    position = 0
    end = len(datagram)
    while position + 16 <= end:
        command, size, kind, _version, first, _second = _HEADER.unpack_from(datagram, position)
        position += 16
        if position + size > end:
            break
        if command == SEARCH and size:
            name = datagram[position : position + size].split(b"\0", 1)[0]
            request.names.append((first, name.decode("latin-1")))
        elif command == VERSION and kind & SEQUENCE_VALID:
            request.sequence = first
        position += size
    return request


def version(sequence: int | None) -> bytes:
    """The message every datagram starts with."""
    return _HEADER.pack(VERSION, 0, 0 if sequence is None else SEQUENCE_VALID, PROTOCOL_VERSION, sequence or 0, 0)


def answer(number: int, tcp_port: int) -> bytes:
    """That channel ``number`` is to be had at ``tcp_port`` of whoever sends this."""
    return _ANSWER.pack(SEARCH, 8, tcp_port, 0, ANSWER_FROM_SENDER, number, PROTOCOL_VERSION)


def question(number: int, name: str) -> bytes:
    """A search that wants no answer from servers that lack ``name``."""
    text = name.encode("latin-1") + b"\0"
    text += bytes(-len(text) % 8)
    return _HEADER.pack(SEARCH, len(text), 5, PROTOCOL_VERSION, number, number) + text


def parse_answers(datagram: bytes) -> list[tuple[int, int]]:
    """Channel number and TCP port of each answer in a datagram."""
    found: list[tuple[int, int]] = []
    position = 0
    while position + 16 <= len(datagram):
        command, size, port, _count, _address, number = _HEADER.unpack_from(datagram, position)
        if command == SEARCH:
            found.append((number, port))
        position += 16 + size
    return found


def datagrams(messages: list[bytes], sequence: int | None) -> list[bytes]:
    """``messages`` packed into as few datagrams as they fit."""
    out: list[bytes] = []
    current = version(sequence)
    for message in messages:
        if len(current) + len(message) > MAX_DATAGRAM:
            out.append(current)
            current = version(sequence)
        current += message
    out.append(current)
    return out


def find_ours(request: Request, has: Callable[[str], bool], tcp_port: int) -> tuple[list[bytes], list[tuple[int, str]]]:
    """Datagrams that answer for the names we have, and the names we lack."""
    ours: list[bytes] = []
    others: list[tuple[int, str]] = []
    for number, name in request.names:
        if has(name):
            ours.append(answer(number, tcp_port))
        else:
            others.append((number, name))
    return (datagrams(ours, request.sequence) if ours else []), others
