"""Beacons: what tells clients that a server has come back."""

import asyncio
import socket
import struct

import pytest

from iocs.server_sockets import LOOPBACK, LOOPBACK_BROADCAST
from iocs.server_udp import send_beacons

BEACON = 13
PORT = 5900


@pytest.fixture
def listener(free_port: int):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((LOOPBACK_BROADCAST, free_port))
        sock.settimeout(30)
        yield sock


async def test_a_server_announces_itself_often_at_first(listener: socket.socket) -> None:
    period_s = 0.32
    start = asyncio.get_running_loop().time()
    announcing = asyncio.create_task(send_beacons(PORT, [listener.getsockname()], period_s, asyncio.Event()))
    beacons = [await asyncio.to_thread(listener.recvfrom, 100) for _ in range(7)]
    took_s = asyncio.get_running_loop().time() - start
    announcing.cancel()
    # Command, payload, version, TCP port, number, address (0: that of the sender).
    headers = [struct.unpack(">HHHHII", data) for data, _ in beacons]
    assert {(header[0], header[3], header[5]) for header in headers} == {(BEACON, PORT, 0)}
    assert [header[4] for header in headers] == list(range(7))
    assert {address for _, (address, _) in beacons} == {LOOPBACK}
    assert took_s >= 0.02 + 0.04 + 0.08 + 0.16 + 2 * period_s


async def test_one_address_that_cannot_be_reached_keeps_no_other_from_hearing(
    listener: socket.socket, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    announcing = asyncio.create_task(send_beacons(PORT, [(LOOPBACK, 0), listener.getsockname()], 0.05, asyncio.Event()))
    for _ in range(3):
        await asyncio.to_thread(listener.recv, 100)
    announcing.cancel()
    assert caplog.text.count("no beacons to 127.0.0.1:0") == 1


async def test_news_of_more_records_is_announced_without_waiting_for_the_period(listener: socket.socket) -> None:
    news = asyncio.Event()
    announcing = asyncio.create_task(send_beacons(PORT, [listener.getsockname()], 3600.0, news))
    first = [await asyncio.to_thread(listener.recv, 100) for _ in range(8)]
    news.set()
    after = [await asyncio.to_thread(listener.recv, 100) for _ in range(6)]
    announcing.cancel()
    numbers = [struct.unpack(">HHHHII", data)[4] for data in (*first, *after)]
    assert numbers == list(range(14)), "a client takes a gap for another server"
