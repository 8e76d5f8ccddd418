"""Puts that reach a device: completion, failure, order, and what must never reach it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from iocs.publisher import RecordServer
from sipmdcs.epicsdb import load_template
from sipmdcs.errors import ChannelError, DeviceRefused, NotConnected
from sipmdcs.severity import Severity, Status
from tests.iocs.server.conftest import Client

DATABASE = """
record(ao, "BIAS") { field(DTYP, "asynFloat64") field(OUT, "@asyn(P,1)BIAS") field(DRVH, "60") field(DRVL, "0") }
record(ai, "BIAS_RBV") {
    field(DTYP, "asynFloat64") field(INP, "@asyn(P,1)BIAS_RBV") field(SCAN, "I/O Intr") field(HIHI, "58") field(HHSV, "MAJOR")
}
record(bo, "ENABLE") { field(ZNAM, "Off") field(ONAM, "On") }
record(stringout, "LABEL") {}
record(waveform, "SHAPE") { field(NELM, "4") field(FTVL, "DOUBLE") }
record(longin, "COUNT") {}
"""
PUTFAIL = 160


class Device:
    """A write handler that can be held up and made to refuse."""

    def __init__(self) -> None:
        self.taken: list[Any] = []
        self.error: Exception | None = None
        self.let_go = asyncio.Event()
        self.let_go.set()
        self.busy = asyncio.Event()

    async def write(self, value: Any) -> None:
        self.busy.set()
        await self.let_go.wait()
        self.busy.clear()
        if self.error is not None:
            raise self.error
        self.taken.append(value.tolist() if hasattr(value, "tolist") else value)


class Bench:
    """A server in this process, a device behind its outputs, and clients elsewhere."""

    def __init__(self, server: RecordServer, port: int) -> None:
        self.server = server
        self.device = Device()
        self._port = port
        self._clients: dict[int, Client] = {}
        for name in ("BIAS", "ENABLE", "LABEL", "SHAPE", "COUNT"):
            server.on_write(name, self.device.write)

    async def put(self, pv: str, value: Any, base: int | None = None, *, wait: bool = True, client: int = 0) -> int | None:
        return await asyncio.to_thread(self._client(client).put, pv, value, base, wait=wait)

    async def value(self, pv: str) -> Any:
        return await asyncio.to_thread(self._client(2).value, pv)

    def _client(self, number: int) -> Client:
        """One of several clients, so that one can look while another waits; started when first needed."""
        if number not in self._clients:
            self._clients[number] = Client(self._port)
        return self._clients[number]

    def close(self) -> None:
        for client in self._clients.values():
            client.close()


@pytest_asyncio.fixture
async def bench(tmp_path: Path, free_port: int, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Bench]:
    monkeypatch.setenv("EPICS_CA_SERVER_PORT", str(free_port))
    monkeypatch.setenv("EPICS_CAS_INTF_ADDR_LIST", "127.0.0.1")
    file = tmp_path / "test.db"
    file.write_text(DATABASE)
    server = RecordServer(load_template(file, {}))
    task = asyncio.ensure_future(server.run())
    bench = Bench(server, free_port)
    yield bench
    bench.close()
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


@pytest.mark.parametrize(
    ("pv", "value", "base", "taken"),
    [
        ("BIAS", 54.125, 6, 54.125),
        ("BIAS", "54.5", 0, 54.5),
        ("BIAS", 99.0, 6, 60.0),
        ("BIAS", -1, 5, 0.0),
        ("ENABLE", "On", 0, 1),
        ("ENABLE", 0, 3, 0),
        ("LABEL", "north", 0, "north"),
        ("SHAPE", [1.5, 2], 6, [1.5, 2.0]),
        ("COUNT", 7, 5, 7),
    ],
)
async def test_the_device_gets_the_value_the_record_ends_up_with(
    bench: Bench, pv: str, value: Any, base: int, taken: Any
) -> None:
    assert await bench.put(pv, value, base) == 1
    assert bench.device.taken == [taken]
    assert bench.server.value(pv) == taken


async def test_a_put_completes_when_the_device_is_done(bench: Bench) -> None:
    bench.device.let_go.clear()
    put = asyncio.ensure_future(bench.put("BIAS", 50.0))
    await bench.device.busy.wait()
    assert await bench.value("BIAS.PACT") == 1
    assert not put.done()
    bench.device.let_go.set()
    assert await put == 1
    assert await bench.value("BIAS.PACT") == 0


@pytest.mark.parametrize("error", [DeviceRefused("channel 1: interlock is open"), ZeroDivisionError("a bug in a driver")])
async def test_a_failed_write_fails_the_put_and_marks_the_record(
    bench: Bench, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    bench.device.error = error
    with caplog.at_level(logging.ERROR):
        assert await bench.put("BIAS", 50.0) == PUTFAIL
    assert await bench.value("BIAS.SEVR") == Severity.INVALID
    assert await bench.value("BIAS.STAT") == Status.WRITE
    message = await bench.value("BIAS.AMSG")
    assert str(error).split(":")[0] in message or "BIAS: ZeroDivisionError" in message
    assert ("writing BIAS failed" in caplog.text) == isinstance(error, ZeroDivisionError)
    bench.device.error = None
    assert await bench.put("BIAS.HIHI", 58, 6) == 1
    assert await bench.value("BIAS.AMSG") == message, "the device has not taken it meanwhile"
    assert await bench.put("BIAS", 51.0) == 1
    assert await bench.value("BIAS.SEVR") == 0


async def test_a_refused_put_reaches_nobody(bench: Bench) -> None:
    assert await bench.put("BIAS", "a lot") == PUTFAIL
    assert await bench.put("ENABLE", "Perhaps") == PUTFAIL
    assert await bench.put("ENABLE", 2, 5) == PUTFAIL
    assert bench.device.taken == []


async def test_what_is_no_put_of_a_value_does_not_drive_the_device(bench: Bench) -> None:
    assert await bench.put("BIAS", 50.0) == 1
    bench.device.taken.clear()
    assert await bench.put("BIAS.HIHI", 58, 6) == 1
    assert await bench.put("BIAS.DRVH", 40, 6) == 1
    bench.server.post({"BIAS": 30.0, "ENABLE": 1})
    bench.server.invalidate(["BIAS"], Status.COMM)
    assert await bench.value("BIAS") == 30.0
    assert bench.device.taken == []
    assert await bench.put("BIAS.PROC", 1, 5) == 1
    assert bench.device.taken == [30.0]


async def test_puts_without_completion_to_a_slow_device_are_merged(bench: Bench) -> None:
    bench.device.let_go.clear()
    for value in range(20, 40):
        await bench.put("BIAS", float(value), wait=False)
    assert await bench.value("BIAS") == 39.0
    assert await bench.value("BIAS.RPRO") == 1
    bench.device.let_go.set()
    assert await bench.put("BIAS", 45.0) == 1
    assert bench.device.taken[-1] == 45.0
    assert 39.0 in bench.device.taken[1:]
    assert len(bench.device.taken) <= 3


async def test_what_is_put_meanwhile_is_not_lost_to_what_the_device_reports_then(bench: Bench) -> None:
    off = asyncio.Event()

    async def switch(value: Any) -> None:
        await bench.device.write(value)
        bench.server.post({"ENABLE": value})  # as the controllers do: what is wanted now
        if not value:
            off.set()

    bench.server.on_write("ENABLE", switch)
    bench.device.let_go.clear()
    await bench.put("ENABLE", 1, 3, wait=False)
    await bench.device.busy.wait()
    await bench.put("ENABLE", 0, 3, wait=False)
    assert await bench.value("ENABLE") == 0
    bench.device.let_go.set()
    async with asyncio.timeout(30):
        await off.wait()
    assert await bench.value("ENABLE") == 0
    assert bench.device.taken == [1, 0]


async def test_puts_with_completion_take_their_turn(bench: Bench) -> None:
    bench.device.let_go.clear()
    first = asyncio.ensure_future(bench.put("BIAS", 20.0))
    await bench.device.busy.wait()
    second = asyncio.ensure_future(bench.put("BIAS", 30.0, client=1))
    assert await bench.put("BIAS.DESC", "meanwhile", client=2) == 1
    assert bench.server.value("BIAS") == 20.0
    bench.device.let_go.set()
    assert [await first, await second] == [1, 1]
    assert bench.device.taken == [20.0, 30.0]


async def test_a_disabled_record_does_not_drive_the_device(bench: Bench) -> None:
    assert await bench.put("BIAS.DISA", 1, 5) == 1
    assert await bench.put("BIAS", 50.0) == 1
    assert bench.device.taken == []


async def test_posting(bench: Bench) -> None:
    bench.server.post({"BIAS_RBV": 59.0}, time_ns=1_800_000_000_000_000_000, severity=Severity.MINOR, status=Status.SOFT)
    record = bench.server._record("BIAS_RBV")
    assert (record.val, record.stat, record.sevr) == (59.0, Status.HIHI, Severity.MAJOR)
    assert record.time_ns == 1_800_000_000_000_000_000
    bench.server.invalidate(["BIAS_RBV"], Status.COMM, "no reply")
    assert (record.val, record.stat, record.sevr, record.amsg) == (59.0, Status.COMM, Severity.INVALID, "no reply")
    bench.server.post({"BIAS_RBV": 5.0})
    assert record.sevr == 0


async def test_one_bad_value_does_not_stop_the_others(bench: Bench) -> None:
    with pytest.raises(ChannelError, match="COUNT: cannot hold 'many'"):
        bench.server.post({"COUNT": "many", "BIAS_RBV": 3.0, "NOBODY": 1})
    assert bench.server.value("BIAS_RBV") == 3.0
    count = bench.server._record("COUNT")
    assert (count.stat, count.sevr) == (Status.READ, Severity.INVALID)


@pytest.mark.parametrize(
    "use",
    [
        lambda server: server.value("NOBODY"),
        lambda server: server.post({"NOBODY": 1}),
        lambda server: server.invalidate(["NOBODY"], Status.COMM),
        lambda server: server.on_write("NOBODY", None),
    ],
)
async def test_an_unknown_record(bench: Bench, use: Callable[[RecordServer], None]) -> None:
    with pytest.raises(NotConnected, match="NOBODY: is not a record of this server"):
        use(bench.server)
