"""The repeater on its wire: plain datagrams, and libca as a client of it."""

import socket
import threading
from collections.abc import Iterator

import pytest

from sipmdcs.loopback_repeater import BEACON, CONFIRM, HEADER, REGISTER, LoopbackRepeater, is_loopback

NOOP = HEADER.pack(0, 0, 0, 0, 0, bytes(4))


@pytest.fixture
def port(free_port: int) -> int:
    repeater = LoopbackRepeater(free_port)
    threading.Thread(target=repeater.run, daemon=True).start()
    return free_port


class Client:
    def __init__(self, port: int) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.settimeout(2)
        self.repeater = ("127.0.0.1", port)

    def register(self, datagram: bytes = HEADER.pack(REGISTER, 0, 0, 0, 0, bytes(4))) -> bytes:
        self.socket.sendto(datagram, self.repeater)
        return self.next()

    def next(self) -> bytes:
        while (datagram := self.socket.recv(2000)) == NOOP:
            pass
        return datagram


@pytest.fixture
def clients(port: int) -> Iterator[list[Client]]:
    both = [Client(port), Client(port)]
    yield both
    for client in both:
        client.socket.close()


def send_beacon(port: int, to: str, available: bytes = bytes(4)) -> bytes:
    beacon = HEADER.pack(BEACON, 0, 0, 5064, 7, available)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        server.sendto(beacon, (to, port))
    return beacon


@pytest.mark.parametrize("registration", [HEADER.pack(REGISTER, 0, 0, 0, 0, bytes(4)), b""], ids=["register", "empty"])
def test_registration_is_confirmed(clients: list[Client], registration: bytes) -> None:
    command, *_, available = HEADER.unpack(clients[0].register(registration))
    assert (command, available) == (CONFIRM, socket.inet_aton("127.0.0.1"))


@pytest.mark.parametrize("to", ["127.0.0.1", "127.255.255.255"])
def test_beacon_reaches_every_client_with_its_source(port: int, clients: list[Client], to: str) -> None:
    for client in clients:
        client.register()
    send_beacon(port, to)
    for client in clients:
        command, _, _, count, cid, available = HEADER.unpack(client.next())
        assert (command, count, cid, available) == (BEACON, 5064, 7, socket.inet_aton("127.0.0.1"))


def test_beacon_with_an_address_is_left_as_it_is(port: int, clients: list[Client]) -> None:
    clients[0].register()
    beacon = send_beacon(port, "127.0.0.1", socket.inet_aton("127.1.2.3"))
    assert clients[0].next() == beacon


def test_client_that_is_gone_is_forgotten(port: int, clients: list[Client]) -> None:
    for client in clients:
        client.register()
    clients[0].socket.close()
    for _ in range(3):
        send_beacon(port, "127.0.0.1")
        assert HEADER.unpack(clients[1].next())[0] == BEACON


@pytest.mark.parametrize("datagram", [b"x", b"\xff" * 15, b"\xff" * 300])
def test_garbage_harms_nobody(port: int, clients: list[Client], datagram: bytes) -> None:
    clients[1].register()
    clients[0].socket.sendto(datagram, clients[0].repeater)
    assert clients[1].next() == datagram
    assert HEADER.unpack(clients[0].register())[0] == CONFIRM


def test_second_repeater_is_refused(port: int) -> None:
    with pytest.raises(OSError, match="in use"):
        LoopbackRepeater(port)


@pytest.mark.parametrize(
    ("addresses", "loopback"),
    [
        ("127.255.255.255", True),
        ("127.0.0.1:5064 127.0.0.2", True),
        ("127.0.0.1 192.168.1.255", False),
        ("", False),
        ("somewhere", False),
    ],
)
def test_is_loopback(addresses: str, loopback: bool) -> None:
    assert is_loopback(addresses) is loopback
