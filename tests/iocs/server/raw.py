"""A client that speaks Channel Access by hand, and a server in the same process for it."""

from __future__ import annotations

import asyncio
import contextlib
import struct

from iocs.publisher import RecordServer
from iocs.server_requests import message_header

VERSION = message_header(0, 0, 0, 13, 0, 0)
ECHO = message_header(23, 0, 0, 0, 0, 0)
TIME_DOUBLE = 20


def create(name: str, cid: int) -> bytes:
    text = name.encode() + b"\0"
    text += bytes(-len(text) % 8)
    return message_header(18, len(text), 0, 0, cid, 13) + text


def event_add(sid: int, subscription: int, dbr: int = TIME_DOUBLE, mask: int = 5) -> bytes:
    return message_header(1, 16, dbr, 0, sid, subscription) + struct.pack(">fffHxx", 0, 0, 0, mask)


class RawClient:
    """A client that speaks the protocol by hand."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def message(self) -> tuple[int, int, int, int, int, bytes]:
        """Command, type, count, both parameters and payload of the next message."""
        command, size, dbr, count, first, second = struct.unpack(">HHHHII", await self.reader.readexactly(16))
        if size == 0xFFFF:
            size, count = struct.unpack(">II", await self.reader.readexactly(8))
        return command, dbr, count, first, second, await self.reader.readexactly(size)

    async def open(self, name: str, cid: int = 1) -> int:
        """Open a channel; returns its number."""
        self.writer.write(create(name, cid))
        while True:
            command, _, _, _, second, _ = await self.message()
            if command == 18:
                return second

    async def watch(self, name: str, subscription: int = 1) -> int:
        sid = await self.open(name, subscription)
        self.writer.write(event_add(sid, subscription))
        assert (await self.message())[0] == 1
        return sid

    async def double(self) -> float:
        """Value of the next event."""
        payload = (await self.message())[5]
        return struct.unpack(">d", payload[16:24])[0]

    async def sync(self) -> list[tuple[int, int, int, int, int, bytes]]:
        """Everything that comes before the answer to an echo."""
        self.writer.write(ECHO)
        seen: list[tuple[int, int, int, int, int, bytes]] = []
        while (message := await self.message())[0] != 23:
            seen.append(message)
        return seen

    async def answers(self, commands: set[int], count: int) -> list[tuple[int, int, int, int, int, bytes]]:
        """The next ``count`` messages that are one of ``commands``."""
        found: list[tuple[int, int, int, int, int, bytes]] = []
        while len(found) < count:
            message = await self.message()
            if message[0] in commands:
                found.append(message)
        return found

    def close(self) -> None:
        """Vanish without a word."""
        self.writer.transport.abort()


class Host:
    """A server in this process."""

    def __init__(self, server: RecordServer, port: int) -> None:
        self.server = server
        self._port = port
        self._clients: list[RawClient] = []

    async def connect(self, *, version: bool = True) -> RawClient:
        """A client that says which version it is, or nothing."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port, limit=1 << 24)
        client = RawClient(reader, writer)
        self._clients.append(client)
        if version:
            writer.write(VERSION)
            assert (await client.message())[0] == 0
        return client

    async def close(self) -> None:
        for client in self._clients:
            client.close()
            with contextlib.suppress(ConnectionError):
                await client.writer.wait_closed()

    async def is_well(self) -> None:
        """A new client gets an answer."""
        client = await self.connect()
        sid = await client.open("VALUE")
        client.writer.write(message_header(15, 0, TIME_DOUBLE, 0, sid, 77))
        command, dbr, count, status, ioid, _ = await client.message()
        assert (command, dbr, count, status, ioid) == (15, TIME_DOUBLE, 1, 1, 77)
        client.close()
