"""Connections at their worst: garbage, clients that vanish, clients that do not read, and what the others notice of it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import struct

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from iocs.publisher import RecordServer
from iocs.server_monitor import Watchers
from iocs.server_requests import message_header
from sipmdcs.epicsdb import Record, load_template
from tests.iocs.server.conftest import DATABASE
from tests.iocs.server.raw import TIME_DOUBLE, VERSION, Host, RawClient, create, event_add


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    garbage=st.lists(
        st.one_of(
            st.binary(max_size=64),
            st.builds(
                lambda command, dbr, count, first, second, payload: (
                    message_header(command, len(payload), dbr, count, first, second) + payload
                ),
                st.integers(0, 30) | st.sampled_from([1, 2, 4, 12, 18, 19]),
                st.integers(0, 6) | st.integers(0, 60),
                st.integers(0, 100) | st.sampled_from([0xFFFE, 0x7FFF_FFFF, 0xFFFF_FFFF]),
                st.integers(0, 3),
                st.integers(0, 3),
                st.integers(0, 5).flatmap(lambda words: st.binary(min_size=8 * words, max_size=8 * words)),
            ),
        ),
        max_size=8,
    )
)
def test_garbage_ends_only_its_own_connection(garbage: list[bytes], tmp_path_factory: pytest.TempPathFactory) -> None:
    """Whatever is sent, nothing but a warning is logged and the server goes on; run on a circuit without a network."""
    file = tmp_path_factory.getbasetemp() / "garbage.db"
    file.write_text(DATABASE)
    asyncio.run(_feed(garbage, load_template(file, {})))


@pytest.mark.parametrize("name", ["VALUE", "SECRET"])
@pytest.mark.parametrize("command", [3, 15])
async def test_more_elements_than_there_are_cost_nothing(host: Host, name: str, command: int) -> None:
    """A client without the right to read neither."""
    client = await host.connect()
    sid = await client.open(name)
    client.writer.write(message_header(command, 0, TIME_DOUBLE, 0xFFFF_FFFF, sid, 77))
    answer = await client.message()
    assert len(answer[-1]) < 100
    await host.is_well()


@pytest.mark.parametrize("dbr", range(7))
@pytest.mark.parametrize("name", ["VALUE", "TEXT", "BIG"])
async def test_a_put_of_more_elements_than_its_bytes_hold_is_refused(host: Host, name: str, dbr: int) -> None:
    """However many it promises, it costs nothing; only the last of several strings may end at its terminator."""
    client = await host.connect()
    sid = await client.open(name)
    for count in (9, 0xFFFF, 0xFFFF_FFFF):
        client.writer.write(message_header(19, 8, dbr, count, sid, 77) + b"12345678")
        assert (await client.message())[:5] == (19, dbr, count, 114, 77), "ECA_BADTYPE"
    await host.is_well()


async def test_a_put_larger_than_any_record_is_dropped_and_what_follows_it_is_served(host: Host) -> None:
    client = await host.connect()
    sid = await client.open("VALUE")
    size = 8 << 20
    client.writer.write(struct.pack(">HHHHIIII", 19, 0xFFFF, 6, 0, sid, 1, size, size // 8))
    assert (await client.message())[:4] == (19, 6, size // 8, 72), "ECA_TOLARGE, before the payload is there"
    for _ in range(8):
        client.writer.write(bytes(size // 8))
        await client.writer.drain()
    (circuit,) = host.server._server.circuits
    client.writer.write(message_header(15, 0, TIME_DOUBLE, 0, sid, 77))
    assert (await client.message())[:4] == (15, TIME_DOUBLE, 1, 1)
    assert len(circuit._requests) == 0
    assert len(circuit._requests._buffer) < 1 << 20


async def _feed(garbage: list[bytes], records: list[Record]) -> None:
    server = RecordServer(records)
    problems: list[logging.LogRecord] = []
    handler = logging.Handler(logging.ERROR)
    handler.emit = problems.append  # type: ignore[method-assign]
    logging.getLogger("iocs").addHandler(handler)
    listener = await asyncio.get_running_loop().create_server(server._server.make_circuit, "127.0.0.1", 0)
    address = listener.sockets[0].getsockname()[:2]
    try:
        other = RawClient(*await asyncio.open_connection(*address))
        other.writer.write(VERSION)
        await other.watch("VALUE")
        reader, writer = await asyncio.open_connection(*address)
        for message in [VERSION, create("VALUE", 1), event_add(1, 1), *garbage]:
            writer.write(message)
        writer.write_eof()
        with contextlib.suppress(ConnectionError):
            await reader.read()
        writer.close()
        server.post({"VALUE": 12345.5})
        while await other.double() != 12345.5:
            """What the garbage has put."""
        other.close()
    finally:
        listener.close()
        logging.getLogger("iocs").removeHandler(handler)
    assert problems == []


async def test_what_belongs_together_arrives_together(host: Host) -> None:
    client = await host.connect()
    await client.watch("VALUE", 1)
    await client.watch("TEXT", 2)
    for value in range(50):
        host.server.post({"VALUE": value + 1.0, "TEXT": str(value)})
    received = await client.reader.read(1 << 20)
    assert len(received) == 50 * (16 + 24) + 50 * (16 + 24)


async def test_an_event_is_encoded_once_for_all_clients(host: Host) -> None:
    clients = [await host.connect() for _ in range(3)]
    for client in clients:
        await client.watch("VALUE")
    watchers = host.server._record("VALUE").listener
    assert isinstance(watchers, Watchers)
    (group,) = watchers.fields["VAL"].values()
    encode, calls = group.encode, []
    group.encode = lambda: (calls.append(1), encode())[1]
    host.server.post({"VALUE": 4.5})
    assert [await client.double() for client in clients] == [4.5, 4.5, 4.5]
    assert len(calls) == 1


async def test_a_client_that_does_not_read_gets_the_newest_value_and_costs_little(host: Host) -> None:
    slow, quick = await host.connect(), await host.connect()
    await slow.watch("BIG")
    await quick.watch("VALUE")
    slow.writer.transport.pause_reading()  # type: ignore[attr-defined]
    (circuit,) = (circuit for circuit in host.server._server.circuits if _watches(circuit, "BIG"))
    for turn in range(200):
        host.server.post({"BIG": [float(turn)] * 100_000, "VALUE": float(turn + 1)})
        assert await quick.double() == turn + 1
    assert circuit.is_held_up
    transport = circuit._transport
    assert transport is not None
    assert transport.get_write_buffer_size() < 4 << 20
    slow.writer.transport.resume_reading()  # type: ignore[attr-defined]
    last = -1.0
    async with asyncio.timeout(10):
        while last < 199:
            payload = (await slow.message())[5]
            last = struct.unpack(">d", payload[16:24])[0]
    assert last == 199


def _watches(circuit: object, name: str) -> bool:
    return any(claim.channel.record.name == name for claim in circuit.session.claims.values())  # type: ignore[attr-defined]


async def test_a_client_that_vanishes_under_load_takes_nobody_along(host: Host) -> None:
    """caproto's own server dies of this: a deque changes while it is iterated over across an await (common.py:970)."""
    survivor = await host.connect()
    await survivor.watch("VALUE")
    for turn in range(20):
        victims = [await host.connect() for _ in range(3)]
        for victim in victims:
            await victim.watch("BIG")
            await victim.watch("VALUE", 2)
        for step in range(5):
            host.server.post({"BIG": [float(step)] * 100_000, "VALUE": turn + step / 10 + 1})
            victims[step % 3].close()
            await asyncio.sleep(0)
        assert [await survivor.double() for _ in range(5)] == [turn + step / 10 + 1 for step in range(5)]
        for victim in victims:
            victim.close()
    await host.is_well()
    for _ in range(500):
        await asyncio.sleep(0.01)
        if len(host.server._server.circuits) == 1:
            break
    assert host.server._record("BIG").listener is None


async def test_events_can_be_turned_off_and_on(host: Host) -> None:
    client = await host.connect()
    await client.watch("VALUE")
    client.writer.write(message_header(8, 0, 0, 0, 0, 0) + message_header(23, 0, 0, 0, 0, 0))
    assert (await client.message())[0] == 23  # the echo says that events are off by now
    for value in (1.0, 2.0, 3.0):
        host.server.post({"VALUE": value})
    client.writer.write(message_header(9, 0, 0, 0, 0, 0))
    assert await client.double() == 3.0
    host.server.post({"VALUE": 4.0})
    assert await client.double() == 4.0


async def test_a_cancelled_subscription_is_over(host: Host) -> None:
    client = await host.connect()
    sid = await client.watch("VALUE")
    client.writer.write(message_header(2, 0, TIME_DOUBLE, 0, sid, 1))
    assert await client.message() == (1, TIME_DOUBLE, 0, sid, 1, b"")
    assert host.server._record("VALUE").listener is None
    client.writer.write(event_add(sid, 2))
    assert (await client.message())[4] == 2
    client.writer.write(message_header(12, 0, 0, 0, sid, 1))
    assert (await client.message())[0] == 12
    assert host.server._record("VALUE").listener is None
    host.server.post({"VALUE": 9.0})
    await host.is_well()


async def test_many_requests_at_once_do_not_hold_up_others(host: Host) -> None:
    greedy, modest = await host.connect(), await host.connect()
    sid = await modest.open("VALUE")
    greedy.writer.write(b"".join(create("VALUE", cid) for cid in range(20_000)))
    modest.writer.write(message_header(15, 0, TIME_DOUBLE, 0, sid, 5))
    async with asyncio.timeout(0.5):
        assert (await modest.message())[4] == 5
    greedy.close()


@pytest.mark.parametrize("dbr", [6, 20, 34, 0, 14])
async def test_large_arrays_travel_in_the_long_form(host: Host, dbr: int) -> None:
    host.server.post({"BIG": [float(index) for index in range(100_000)]})
    client = await host.connect()
    sid = await client.open("BIG")
    client.writer.write(message_header(15, 0, dbr, 0, sid, 1))
    command, kind, count, status, _, payload = await client.message()
    assert (command, kind, count, status) == (15, dbr, 100_000, 1)
    if dbr == 6:
        assert struct.unpack(">2d", payload[8:24]) == (1.0, 2.0)
    client.writer.write(message_header(15, 0, dbr, 100_001, sid, 1))
    assert (await client.message())[3] == 176
    client.writer.write(message_header(15, 0, dbr, 3, sid, 1))
    assert (await client.message())[2] == 3
