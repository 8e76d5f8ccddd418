"""Finds thousands of PVs at once, before libca looks for them.

libca gives servers 32 ms to answer a search, takes a later answer for a lost one, and goes on with twenty names at a time: some
thousand names a second where servers are busy. Here all names are asked for at once, and who is late is waited for; libca,
which asks here as it asks the servers, then has its answers without delay. Each answer is given once: whatever libca looks for
later, it finds as ever.
"""

from __future__ import annotations

import os
import select
import socket
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from ipaddress import IPv4Address
from struct import Struct

WORTHWHILE = 200
"""Fewer names are left to libca."""
_WINDOW = 1500
"""Names that are asked for at a time: their datagrams fit into the buffer of a server that is slow to read them."""
_PATIENCE_S = 0.3
"""After which an answer counts as lost; after twice that without any, what is asked for as not there."""
_KEEP_S = 30.0
"""How long libca has to ask for what was found."""
_MAX_DATAGRAM = 1024
"""``MAX_UDP_SEND`` of EPICS Base."""

_VERSION, _SEARCH, _NO_REPLY, _PROTOCOL = 0, 6, 5, 13
_SENDER = 0xFFFF_FFFF
_HEADER = Struct(">HHHHII")
_ANSWER = Struct(">HHHHIIHxxxxxx")
_LIST, _AUTO, _PORT = "EPICS_CA_ADDR_LIST", "EPICS_CA_AUTO_ADDR_LIST", "EPICS_CA_SERVER_PORT"

Address = tuple[str, int]


class BulkSearch:
    """Asks on behalf of one context of libca, and answers it.

    Args:
        environ: says where servers are; where libca is to find that out itself, nothing is done here.
    """

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        self._servers = list(_servers(environ)) if environ.get(_AUTO, "YES").upper() == "NO" else []
        self._found: dict[str, tuple[int, int, float]] = {}
        """IPv4 address and port of the server, and when it answered, by name."""
        self._asking = threading.Lock()
        self._sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._sock.bind(("127.0.0.1", 0))
        if self._servers:
            threading.Thread(target=self._answer, name="search", daemon=True).start()

    @contextmanager
    def listed(self) -> Iterator[None]:
        """Have a context of libca whose first channel is made in the block ask here as well."""
        before = os.environ.get(_LIST, "")
        if self._servers:
            os.environ[_LIST] = f"{before} 127.0.0.1:{self._sock.getsockname()[1]}"
        try:
            yield
        finally:
            if self._servers:
                os.environ[_LIST] = before

    def find(self, names: Iterable[str], timeout: float) -> None:
        """Ask for names, until all have answered, or nothing answers any more, or for ``timeout`` seconds."""
        wanted = deque(names)
        if len(wanted) < WORTHWHILE or not self._servers:
            return
        with self._asking, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
            sock.setblocking(False)
            self._ask(sock, wanted, time.monotonic() + timeout)

    def close(self) -> None:
        """End the thread."""
        if self._servers:
            self._sock.sendto(b"", self._sock.getsockname())
        else:
            self._sock.close()

    def _ask(self, sock: socket.socket, wanted: deque[str], deadline: float) -> None:
        """Ask for each name, and for those whose answer may be lost once more."""
        numbered: list[str] = []
        first = len(wanted)
        waiting: set[int] = set()
        asked: deque[tuple[float, range]] = deque()
        answered = now = time.monotonic()
        while (wanted or waiting) and now < min(deadline, answered + 2 * _PATIENCE_S):
            while wanted and len(waiting) < _WINDOW:
                batch = _batch(wanted)
                numbers = range(len(numbered), len(numbered) + len(batch))
                numbered += batch
                waiting.update(numbers)
                asked.append((now, numbers))
                self._send(sock, b"".join(map(_question, numbers, batch)))
            select.select([sock], [], [], _PATIENCE_S / 10)
            now = time.monotonic()
            for number, address, port in _answers(sock):
                if number < len(numbered):
                    waiting.discard(number)
                    self._found[numbered[number]] = address, port, now
                    answered = now
            while asked and asked[0][0] + _PATIENCE_S < now:
                late = waiting.intersection(asked.popleft()[1])
                waiting -= late
                wanted.extend(numbered[number] for number in late if number < first)

    def _send(self, sock: socket.socket, questions: bytes) -> None:
        for server in self._servers:
            try:
                sock.sendto(_version(0, 0) + questions, server)
            except OSError:  # libca tells of an address that cannot be reached
                continue

    def _answer(self) -> None:
        """Serve libca, in a thread, until an empty datagram comes."""
        with self._sock as sock:
            while True:
                data, client = sock.recvfrom(65_535)
                if not data:
                    return
                if self._found:
                    self._reply(data, client)

    def _reply(self, data: bytes, client: Address) -> None:
        now = time.monotonic()
        version, answers = _version(0, 0), b""
        for command, kind, first, payload in _messages(data):
            if command == _VERSION:
                version = _version(kind, first)
            elif command == _SEARCH:
                name = payload.split(b"\0", 1)[0].decode("latin-1")
                address, port, at = self._found.pop(name, (0, 0, 0.0))
                if at + _KEEP_S > now:
                    answers += _ANSWER.pack(_SEARCH, 8, port, 0, address, first, _PROTOCOL)
        if answers:
            self._sock.sendto(version + answers, client)


def _servers(environ: Mapping[str, str]) -> Iterator[Address]:
    for text in environ.get(_LIST, "").split():
        host, _, port = text.partition(":")
        try:
            yield socket.gethostbyname(host), int(port or environ.get(_PORT, "5064"))
        except (OSError, ValueError):  # libca tells
            continue


def _batch(wanted: deque[str]) -> list[str]:
    """Names for one datagram, taken from those that are wanted."""
    batch: list[str] = []
    room = _MAX_DATAGRAM - _HEADER.size
    while wanted and (room := room - len(_question(0, wanted[0]))) >= 0:
        batch.append(wanted.popleft())
    return batch or [wanted.popleft()]


def _question(number: int, name: str) -> bytes:
    text = name.encode() + b"\0"
    text += bytes(-len(text) % 8)
    return _HEADER.pack(_SEARCH, len(text), _NO_REPLY, _PROTOCOL, number, number) + text


def _version(kind: int, sequence: int) -> bytes:
    return _HEADER.pack(_VERSION, 0, kind, _PROTOCOL, sequence, 0)


def _messages(data: bytes) -> Iterator[tuple[int, int, int, bytes]]:
    """Command, data type, first parameter and payload of each message in a datagram."""
    at = 0
    while at + _HEADER.size <= len(data):
        command, size, kind, _count, first, _second = _HEADER.unpack_from(data, at)
        at += _HEADER.size + size
        yield command, kind, first, data[at - size : at]


def _answers(sock: socket.socket) -> Iterator[tuple[int, int, int]]:
    """Number of the question, IPv4 address and port of the server of each answer that has come."""
    while True:
        try:
            data, (sender, _) = sock.recvfrom(65_535)
        except BlockingIOError:
            return
        except OSError:  # such as: nobody listens where a question was sent
            continue
        at = 0
        while at + _HEADER.size <= len(data):
            command, size, port, _count, address, number = _HEADER.unpack_from(data, at)
            at += _HEADER.size + size
            if command == _SEARCH:
                yield number, int(IPv4Address(sender)) if address == _SENDER else address, port
