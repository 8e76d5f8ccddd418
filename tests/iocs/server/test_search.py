"""Searches: the datagrams, and several servers on one port of one host."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iocs.publisher import open_record_server
from iocs.server_search import (
    MAX_DATAGRAM,
    answer,
    datagrams,
    find_ours,
    parse_answers,
    parse_searches,
    question,
    version,
)
from sipmdcs.epicsdb import Record
from tests.iocs.server.conftest import Client, Ioc

NAMES = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=60)
NUMBERS = st.integers(0, 0xFFFF_FFFF)


@given(st.lists(st.tuples(NUMBERS, NAMES), max_size=60), st.none() | NUMBERS)
def test_searches_survive_the_wire(names: list[tuple[int, str]], sequence: int | None) -> None:
    packed = datagrams([question(number, name) for number, name in names], sequence)
    assert all(len(datagram) <= MAX_DATAGRAM for datagram in packed)
    requests = [parse_searches(datagram) for datagram in packed]
    assert [found for request in requests for found in request.names] == names
    assert {request.sequence for request in requests} == {sequence}


@given(st.lists(NUMBERS, max_size=100), st.integers(1, 65535))
def test_answers_survive_the_wire(numbers: list[int], port: int) -> None:
    packed = datagrams([answer(number, port) for number in numbers], 1)
    assert [found for datagram in packed for found in parse_answers(datagram)] == [(number, port) for number in numbers]


@given(st.binary(max_size=200))
def test_garbage_is_no_search(datagram: bytes) -> None:
    for number, name in parse_searches(datagram).names:
        assert question(number, name)
    parse_answers(datagram)


def test_a_search_that_is_cut_off_is_skipped() -> None:
    whole = version(5) + question(1, "A") + question(2, "B")
    assert parse_searches(whole[:-1]).names == [(1, "A")]


def test_only_our_names_are_answered() -> None:
    request = parse_searches(version(7) + question(1, "OURS") + question(2, "THEIRS") + question(3, "OURS"))
    replies, others = find_ours(request, lambda name: name == "OURS", 5064)
    assert len(replies) == 1
    assert parse_answers(replies[0]) == [(1, 5064), (3, 5064)]
    assert parse_searches(replies[0]).sequence == 7
    assert others == [(2, "THEIRS")]


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory, free_ports: Callable[[int], list[int]]) -> Iterator[int]:
    """Three servers on one search port, which is returned."""
    folder = tmp_path_factory.mktemp("host")
    (port,) = free_ports(1)
    running: list[Ioc] = []
    for name in ("ONE", "TWO", "THREE"):
        file = folder / f"{name}.db"
        file.write_text(f'record(longin, "{name}:VALUE") {{ field(VAL, "{len(running)}") alias("{name}:ALIAS") }}')
        running.append(Ioc("our_ioc.py", [file], port, "serving"))
    yield port
    for ioc in running:
        log = ioc.close()
        assert "Traceback" not in log


@pytest.mark.parametrize("address", ["127.255.255.255", "127.0.0.1"])
def test_a_client_finds_every_server_of_the_host(host: int, address: str) -> None:
    """On 127.0.0.1 the kernel gives each search to one server only; it asks the others."""
    clients = [Client(host, address) for _ in range(3)]  # each has a port of its own and so another server to ask
    try:
        for client in clients:
            assert [client.value(f"{name}:VALUE") for name in ("ONE", "TWO", "THREE")] == [0, 1, 2]
            assert client.value("TWO:ALIAS.RTYP") == "longin"
    finally:
        for client in clients:
            client.close()


def test_a_search_is_relayed_once(host: int) -> None:
    """No matter how many servers hear it."""
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker,
    ):
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.bind(("127.255.255.255", host))
        listener.settimeout(0.4)
        heard = 0
        for _ in range(20):
            asker.sendto(version(1) + question(1, "NOBODY:HAS:THIS"), ("127.0.0.1", host))
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            try:
                heard += len(parse_searches(listener.recv(2048)).names)
            except TimeoutError:
                break
        assert heard <= 20


async def test_a_search_is_answered_while_the_event_loop_is_busy(monkeypatch: pytest.MonkeyPatch, free_port: int) -> None:
    """A client takes a late answer for a lost one, and then searches for fewer names at a time."""
    monkeypatch.setenv("EPICS_CA_SERVER_PORT", str(free_port))
    monkeypatch.setenv("EPICS_CAS_INTF_ADDR_LIST", "127.0.0.1")
    serving = asyncio.create_task(open_record_server([Record("ai", "X", {}, {})]).run())
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:
        asker.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        for number in range(20):
            await asyncio.sleep(0.05)  # all that the event loop gets; what it says in it comes too late
            asker.sendto(version(1) + question(number, "X"), ("127.255.255.255", free_port))
            asker.settimeout(0.5)
            with contextlib.suppress(TimeoutError):
                while [found for found, _ in parse_answers(asker.recv(2048))] != [number]:
                    pass
                break
        else:
            pytest.fail("no answer")
    serving.cancel()
    await asyncio.gather(serving, return_exceptions=True)
    assert "searches" not in {thread.name for thread in threading.enumerate()}, "the thread ends with the server"


def test_a_search_over_tcp(host: int, tmp_path: Path) -> None:
    """What a client with EPICS_CA_NAME_SERVERS sends; only the server that got the port itself is asked."""
    client = Client(host, "127.0.0.9", EPICS_CA_NAME_SERVERS=f"127.0.0.1:{host}")
    try:
        assert client.value("ONE:VALUE") == 0
    finally:
        client.close()
