"""A simulated C11204 at the far end of a pseudo-terminal. The module lives on while clients come and go."""

from __future__ import annotations

import asyncio
import contextlib
import os
import tty
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from iocs.drivers.c11204_units import Variant
from iocs.simulators.c11204_device import CR_TIMEOUT_S, KNOBS, SPOILERS, C11204Device
from iocs.simulators.climate import Climate
from iocs.simulators.faults import Chunk, Faults, Knob
from iocs.simulators.output import Load
from iocs.simulators.server import Setup

CHARACTER_S = 11 / 38_400
"""Start, eight data, parity and stop bit at 38400 baud."""


class C11204Server:
    """The module and its line."""

    def __init__(self, setup: Setup, variant: Variant) -> None:
        self._faults = Faults(1, KNOBS)
        load = Load(setup.name, 1, setup.sipms[1], Climate(setup.name), self._faults)
        self._device = C11204Device(load, self._faults, serial=f"SIM{setup.name}", variant=variant)
        self._loop = asyncio.get_running_loop()
        self._master, self._slave = os.openpty()
        # Our end of the slave stays open, so that a client that leaves does not hang up the line.
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        self._device.power_up(self._loop.time())

    @property
    def endpoint(self) -> Mapping[str, str]:
        return {"tty": os.ttyname(self._slave)}

    def turn(self, channel: int | None, knob: Knob, text: str) -> float | None:
        # Time up to now passed under the old conditions.
        self._device.advance(self._loop.time())
        value = self._faults.turn(channel, knob, text)
        if knob is Knob.POWER_CYCLE and value is not None:
            self._device.power_up(self._loop.time())
            self._faults.turn(channel, knob, "off")
        return value

    def start(self) -> None:
        """Begin to answer."""
        self._loop.add_reader(self._master, self._receive)

    def stop(self) -> None:
        """Take the line away."""
        self._loop.remove_reader(self._master)
        os.close(self._master)
        os.close(self._slave)

    def _receive(self) -> None:
        data = os.read(self._master, 4096)
        if self._faults.unplugged:
            return
        for reply in self._device.receive(data, self._loop.time()):
            self._send(self._faults.spoil(reply, SPOILERS), (len(data) + len(reply)) * CHARACTER_S)
        if self._device.waiting:
            self._loop.call_later(CR_TIMEOUT_S, self._expire)

    def _expire(self) -> None:
        if reply := self._device.expire(self._loop.time()):
            self._send(self._faults.spoil(reply, SPOILERS), 0.0)

    def _send(self, chunks: tuple[Chunk, ...], line_s: float) -> None:
        delay = line_s
        for chunk in chunks:
            delay += chunk.delay_s
            self._loop.call_later(delay, self._write, chunk.data)

    def _write(self, data: bytes) -> None:
        # Nobody may be reading; then the line is full and bytes are lost, as on a real one.
        with contextlib.suppress(BlockingIOError, OSError):
            os.write(self._master, data)


@asynccontextmanager
async def serve_c11204(setup: Setup) -> AsyncIterator[C11204Server]:
    """Run a C11204-02 on a pseudo-terminal of its own."""
    async with _serve(setup, Variant.C11204_02) as server:
        yield server


@asynccontextmanager
async def serve_c11204_01(setup: Setup) -> AsyncIterator[C11204Server]:
    """Run a C11204-01 on a pseudo-terminal of its own."""
    async with _serve(setup, Variant.C11204_01) as server:
        yield server


@asynccontextmanager
async def _serve(setup: Setup, variant: Variant) -> AsyncIterator[C11204Server]:
    server = C11204Server(setup, variant)
    server.start()
    try:
        yield server
    finally:
        server.stop()
