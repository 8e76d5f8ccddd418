"""A simulated PADME-NIM module on loopback: telnet console and web server. The module lives on while clients come and go."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager

from iocs.drivers.padme_nim_console import Prompt
from iocs.simulators.climate import Climate
from iocs.simulators.faults import Faults, Knob, Spoilers
from iocs.simulators.listening import Listening, listen
from iocs.simulators.output import Load
from iocs.simulators.padme_nim_device import KNOBS, PadmeNimDevice
from iocs.simulators.server import Setup

_WILL_ECHO_AND_NO_GO_AHEAD = bytes((255, 251, 1, 255, 251, 3))
_IAC, _WILL, _DONT = 255, 251, 254
_OK = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n"
_LONGEST_LINE = 1024
_NOT_FOUND = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"


def http_reply(page: bytes) -> bytes:
    """A page as it goes over the wire."""
    return _OK.format(len(page)).encode() + page


def _flip_bit(reply: bytes) -> bytes:
    """A flipped bit past the middle, in a page's body; pages and console are plain ASCII, so it shows."""
    place = len(reply) * 3 // 4
    return reply[:place] + bytes((reply[place] | 0x80,)) + reply[place + 1 :]


def _answer_something_else(reply: bytes) -> bytes:
    return http_reply(b'{"unexpected":1}') if reply.startswith(b"HTTP/") else b"ERR - unexpected\r\n" + Prompt.COMMAND.encode()


SPOILERS = Spoilers(_flip_bit, _answer_something_else)


class PadmeNimServer:
    """The module and its two ports."""

    def __init__(self, setup: Setup) -> None:
        self._faults = Faults(len(setup.sipms), KNOBS)
        climate = Climate(setup.name)
        loads = {ch: Load(setup.name, ch, sipm, climate, self._faults) for ch, sipm in setup.sipms.items()}
        self._device = PadmeNimDevice(setup.name, loads, self._faults)
        self._loop = asyncio.get_running_loop()
        self._device.power_up(self._loop.time())
        self._servers: list[Listening] = []
        self._endpoint: dict[str, str] = {}

    @property
    def endpoint(self) -> Mapping[str, str]:
        return self._endpoint

    def turn(self, channel: int | None, knob: Knob, text: str) -> float | None:
        # Time up to now passed under the old conditions.
        self._device.advance(self._loop.time())
        value = self._faults.turn(channel, knob, text)
        if knob is Knob.POWER_CYCLE and value is not None:
            self._device.power_up(self._loop.time())
            self._faults.turn(channel, knob, "off")
            for listening in self._servers:
                listening.hang_up()
        return value

    async def open(self, stack: AsyncExitStack) -> None:
        """Listen until ``stack`` is left."""
        for key, session in (("telnet", self._console), ("http", self._web)):
            listening = await stack.enter_async_context(listen(session))
            self._servers.append(listening)
            self._endpoint[key] = listening.endpoint

    async def _console(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._faults.unplugged:
            await reader.read()  # nothing passes until the client gives up
            return
        writer.write(_WILL_ECHO_AND_NO_GO_AHEAD)
        for prompt in (Prompt.USERNAME, Prompt.PASSWORD):
            writer.write(prompt.encode())
            await _line(reader)
        writer.write(b"\r\n" + Prompt.COMMAND.encode())
        while True:
            line = await _line(reader)
            if self._faults.unplugged:
                continue
            if line.strip() == "bye":
                return
            reply = f"{line}\r\n{self._device.command(line, self._loop.time())}{Prompt.COMMAND}"
            await self._send(writer, reply.encode())

    async def _web(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            if self._faults.unplugged:
                continue
            words = head.split()[1:]
            if not words:
                return  # no request of any kind
            page = self._device.page(words[0], self._loop.time())
            if page is None:
                writer.write(_NOT_FOUND)
            else:
                await self._send(writer, http_reply(page))

    async def _send(self, writer: asyncio.StreamWriter, reply: bytes) -> None:
        for chunk in self._faults.spoil(reply, SPOILERS):
            if chunk.delay_s:
                await writer.drain()
                await asyncio.sleep(chunk.delay_s)
            writer.write(chunk.data)
        await writer.drain()


async def _line(reader: asyncio.StreamReader) -> str:
    """One line from a telnet client, its negotiations taken out; it ends with CR LF, CR NUL or LF (RFC 854)."""
    data = b""
    while not data.endswith((b"\n", b"\r\0")):
        if len(data) == _LONGEST_LINE:
            raise ConnectionError("line too long")
        data += await reader.readexactly(1)
    while (start := data.find(_IAC)) >= 0:
        width = 3 if data[start + 1 : start + 2] >= bytes((_WILL,)) else 2
        data = data[:start] + data[start + width :]
    return data.decode("latin-1").strip("\r\n\0")


@asynccontextmanager
async def serve_padme_nim(setup: Setup) -> AsyncIterator[PadmeNimServer]:
    """Run a PADME-NIM module on two free loopback ports."""
    server = PadmeNimServer(setup)
    async with AsyncExitStack() as stack:
        await server.open(stack)
        yield server
