"""What one client can take: bounded by memory and descriptors, refused for itself, at nobody else's cost."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import iocs.server
import iocs.server_circuit
from iocs.server_budget import CHANNEL_BYTES, SPARE_DESCRIPTORS, SUBSCRIPTION_BYTES, Budget, max_circuits
from iocs.server_circuit import HIGH_WATER_BYTES
from iocs.server_requests import message_header
from tests.iocs.server.conftest import HERE, environment
from tests.iocs.server.raw import ECHO, TIME_DOUBLE, VERSION, Host, RawClient, create, event_add


async def until(true: Callable[[], bool]) -> None:
    for _ in range(1000):
        if true():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it never comes true")


async def test_a_circuit_has_more_channels_than_16_bits_count(host: Host) -> None:
    client, other = await host.connect(), await host.connect()
    await other.watch("VALUE")
    count = 66_000
    for start in range(0, count, 1000):
        client.writer.write(b"".join(create("VALUE", cid) for cid in range(start, start + 1000)))
    host.server.post({"VALUE": 1.5})
    assert await other.double() == 1.5, "others do not wait for it"
    made = list(struct.iter_unpack(">16x HHHHII", await client.reader.readexactly(32 * count)))  # rights, then the channel
    assert {message[0] for message in made} == {18}
    assert len({message[5] for message in made}) == count, "each has a number of its own"
    client.writer.write(message_header(15, 0, TIME_DOUBLE, 0, made[-1][5], 5))
    assert (await client.message())[4] == 5


async def test_memory_that_is_used_up_fails_the_request_and_not_the_circuit(host: Host) -> None:
    greedy = await host.connect()
    sid = await greedy.open("VALUE")
    host.server._server.budget.total = host.server._server.budget.used + 100 * SUBSCRIPTION_BYTES
    greedy.writer.write(b"".join(event_add(sid, identifier) for identifier in range(200)))
    seen = await greedy.sync()
    refused = [message for message in seen if message[0] == 11]
    assert {message[4] for message in refused} == {48}, "ECA_ALLOCMEM"
    granted = sum(message[0] == 1 for message in seen)
    assert 0 < granted < 100
    assert granted + len(refused) == 200
    await host.is_well()
    greedy.writer.write(message_header(12, 0, 0, 0, sid, 1))
    assert (await greedy.message())[0] == 12
    await greedy.open("TEXT", 9)
    greedy.close()
    await until(lambda: not host.server._server.circuits)
    assert host.server._server.budget.used == 0


async def test_a_channel_too_many_cannot_be_created(host: Host) -> None:
    client = await host.connect()
    host.server._server.budget.total = 2 * host.server._server.budget.used + 10 * CHANNEL_BYTES
    client.writer.write(b"".join(create("VALUE", cid) for cid in range(20)))
    commands = [message[0] for message in await client.answers({18, 26}, 20)]
    assert commands == [18] * 5 + [26] * 15, "one client leaves half to the others"


def test_a_client_that_is_gone_gives_everything_back() -> None:
    budget = Budget(1000)
    one, two = budget.account(), budget.account()
    assert one.take(500)
    assert not one.take(1)
    assert two.take(250)
    assert not two.take(1)
    one.close()
    one.give_back(500)
    assert budget.used == 250
    assert two.take(250)


async def test_monitors_are_added_and_cancelled_in_linear_time(host: Host) -> None:
    """Of one PV, on one connection, the oldest first and the newest first."""

    async def seconds(count: int) -> float:
        client = await host.connect()
        sid = await client.open("VALUE")
        start = time.process_time()
        for order in (range(count), range(count - 1, -1, -1)):
            client.writer.write(b"".join(event_add(sid, identifier) for identifier in range(count)))
            client.writer.write(b"".join(message_header(2, 0, TIME_DOUBLE, 0, sid, identifier) for identifier in order) + ECHO)
            await client.answers({23}, 1)
        client.close()
        return time.process_time() - start

    tries = [(await seconds(1_000), await seconds(16_000)) for _ in range(4)]
    few, many = map(min, zip(*tries, strict=True))  # whatever else the machine does only adds
    assert many < 16 * few * 4, "quadratic, it would be 256 times as much"


async def test_one_number_for_several_monitors(host: Host) -> None:
    """As in EPICS Base, numbers belong to a channel, and one may be given twice."""
    client = await host.connect()
    sid, other = await client.open("VALUE", 1), await client.open("VALUE", 2)
    client.writer.write(event_add(sid, 5) + event_add(sid, 5) + event_add(other, 5))
    await client.answers({1}, 3)
    cancel = message_header(2, 0, TIME_DOUBLE, 0, sid, 5)
    for left in (3, 2, 1):
        host.server.post({"VALUE": float(left)})
        assert len(await client.sync()) == left
        client.writer.write(cancel if left > 1 else message_header(12, 0, 0, 0, other, 2))
        await client.message()
    assert host.server._record("VALUE").listener is None


async def test_replies_that_nobody_reads_are_not_made(host: Host) -> None:
    greedy, modest = await host.connect(), await host.connect()
    await modest.watch("VALUE")
    host.server.post({"BIG": [1.0] * 100_000})
    sid = await greedy.open("BIG")
    greedy.writer.transport.pause_reading()  # type: ignore[attr-defined]
    greedy.writer.write(b"".join(message_header(15, 0, TIME_DOUBLE, 0, sid, ioid) for ioid in range(100)))
    for value in range(30):
        host.server.post({"VALUE": value + 1.0})
        assert await modest.double() == value + 1.0
    held = [circuit for circuit in host.server._server.circuits if circuit._paused]
    assert len(held) == 1
    assert held[0]._transport is not None
    assert held[0]._transport.get_write_buffer_size() + held[0]._out_bytes < 4 << 20
    assert held[0].account.used > HIGH_WATER_BYTES, "they count as memory of this client"
    greedy.writer.transport.resume_reading()  # type: ignore[attr-defined]
    assert [message[4] for message in await greedy.answers({15}, 100)] == list(range(100))
    await until(lambda: held[0].account.used < HIGH_WATER_BYTES)


async def test_clients_that_do_not_read_are_ended_where_there_is_no_memory_to_keep_more_for_them(host: Host) -> None:
    host.server.post({"BIG": [1.0] * 100_000})
    budget = host.server._server.budget
    budget.total = budget.used + 4_000_000
    greedy = [await host.connect() for _ in range(12)]
    for client in greedy:
        sid = await client.open("BIG")
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]
        client.writer.write(b"".join(message_header(15, 0, TIME_DOUBLE, 0, sid, ioid) for ioid in range(30)))
    await until(lambda: len(host.server._server.circuits) < 8)
    assert 0 < budget.used <= budget.total
    await host.is_well()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(iocs.server_circuit, "REQUEST_DEADLINE_S", 0.3)
    monkeypatch.setattr(iocs.server, "CHECK_PERIOD_S", 0.05)


@pytest.mark.usefixtures("impatient")
async def test_a_client_that_sends_no_whole_request_is_cut_off(host: Host) -> None:
    """Nothing at all, half a request, a request that never ends; a client at rest stays."""
    resting = await host.connect()
    sid = await resting.watch("VALUE")
    silent, half, endless = [await host.connect(version=False) for _ in range(3)]
    half.writer.write(VERSION + create("VALUE", 1)[:20])
    endless.writer.write(struct.pack(">HHHHIIII", 4, 0xFFFF, 6, 0, 1, 1, 0xFFFF_FFF8, 1))
    async with asyncio.timeout(20):
        for client in (silent, half, endless):
            await client.reader.read()
    host.server.post({"VALUE": 5.0})
    assert await resting.double() == 5.0
    resting.writer.write(message_header(15, 0, TIME_DOUBLE, 0, sid, 5))
    assert (await resting.message())[4] == 5


@pytest.mark.parametrize("files", [70, 1024, 4096, 65_536])
def test_connections_leave_descriptors_that_select_knows(files: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(files, hard), hard))
    try:
        assert 0 < max_circuits() < min(files, 1024) - SPARE_DESCRIPTORS
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize("version", [True, False])
async def test_connections_without_a_channel_make_room_for_those_that_want_one(host: Host, version: bool) -> None:
    """Whether they have said something or not; those with channels stay, and then new ones are refused."""
    host.server._server.max_circuits = 4
    watching = await host.connect()
    await watching.watch("VALUE")
    idle = [await host.connect(version=version) for _ in range(10)]
    for _ in range(2):
        await host.is_well()
    host.server.post({"VALUE": 2.0})
    assert await watching.double() == 2.0
    for client in idle[:7]:
        assert await client.reader.read() in (VERSION, b"")
    others = [await host.connect() for _ in range(3)]
    for client in others:
        await client.open("VALUE")
    refused = await host.connect(version=False)
    assert await refused.reader.read() == b""
    others[0].close()
    await until(lambda: len(host.server._server.circuits) == 3)
    await host.is_well()


async def test_puts_that_wait_are_counted_and_forgotten_with_their_client(host: Host) -> None:
    """One put holds up the record; another client's is not held up by the ones of a client that has gone."""
    released = asyncio.Event()
    taken: list[object] = []

    async def handler(value: object) -> None:
        taken.append(value)
        await released.wait()

    host.server.on_write("OUT", handler)
    greedy, modest = await host.connect(), await host.connect()
    sid, other = await greedy.open("OUT"), await modest.open("OUT")

    def put(sid: int, value: float, ioid: int) -> bytes:
        return message_header(19, 8, 6, 1, sid, ioid) + struct.pack(">d", value)

    greedy.writer.write(b"".join(put(sid, float(ioid), ioid) for ioid in range(100)))
    refused = await greedy.answers({19}, 36)
    assert {message[3] for message in refused} == {362}, "ECA_PUTCBINPROG"
    assert [message[4] for message in refused] == list(range(64, 100))
    modest.writer.write(put(other, 7.5, 1))
    await modest.sync()
    greedy.close()
    await until(lambda: len(host.server._server.circuits) == 1)
    released.set()
    assert (await modest.message())[:4] == (19, 6, 1, 1)
    assert taken == [0.0, 7.5]


@pytest.fixture
def small_ioc(free_port: int, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A server in a process that may have 128 descriptors."""
    database = tmp_path / "small.db"
    database.write_text('record(ao, "VALUE") {}')
    process = subprocess.Popen(
        ["sh", "-c", 'ulimit -n 128; exec "$@"', "sh", sys.executable, HERE / "our_ioc.py", database],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment(free_port),
    )
    assert process.stdout is not None
    for line in process.stdout:
        if "serving" in line:
            break
    yield process
    process.kill()
    process.communicate()


async def test_more_connections_than_descriptors_cost_nobody_anything(small_ioc: subprocess.Popen[str], free_port: int) -> None:
    """Those who were there get every event; a new client is served while hundreds of silent ones are connected."""

    async def connect() -> RawClient:
        client = RawClient(*await asyncio.open_connection("127.0.0.1", free_port))
        client.writer.write(VERSION)
        return client

    watcher, writer = await connect(), await connect()
    await watcher.watch("VALUE")
    sid = await writer.open("VALUE")
    with contextlib.ExitStack() as stack:
        for turn in range(400):
            sock = stack.enter_context(socket.socket())
            sock.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                sock.connect(("127.0.0.1", free_port))
            if turn % 20 == 0:
                writer.writer.write(message_header(19, 8, 6, 1, sid, turn) + struct.pack(">d", turn + 1.0))
                assert (await writer.answers({19}, 1))[0][3:5] == (1, turn)
                assert await watcher.double() == turn + 1.0
        async with asyncio.timeout(30):
            late = await connect()
            await late.watch("VALUE")
        assert small_ioc.poll() is None
    for client in (watcher, writer, late):
        client.close()
