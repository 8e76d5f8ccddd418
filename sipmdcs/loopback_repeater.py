"""A CA repeater that hears the loopback interface only.

libca's own repeater listens on every interface of the machine, whatever the site says. A site on loopback needs no more than
what arrives at 127.0.0.1 (registrations) and at 127.255.255.255 (beacons).

Protocol: ``caProto.h`` of EPICS Base 7. A client registers by ``REPEATER_REGISTER`` 24, or an empty datagram as old ones do,
and is answered ``REPEATER_CONFIRM`` 17; every other datagram, beacons above all, goes on to each client as it came.
"""

from __future__ import annotations

import selectors
import socket
import struct
from ipaddress import AddressValueError, IPv4Address

LOOPBACK = "127.0.0.1"
LOOPBACK_BROADCAST = "127.255.255.255"

HEADER = struct.Struct(">HHHHI4s")
"""Command, payload size, data type, count, cid, available."""
REGISTER = 24
CONFIRM = 17
BEACON = 13

_LARGEST_DATAGRAM = 65_535


def is_loopback(address_list: str) -> bool:
    """Whether a list as in ``EPICS_CA_ADDR_LIST`` names loopback addresses and nothing else."""
    hosts = [entry.partition(":")[0] for entry in address_list.split()]
    try:
        return bool(hosts) and all(IPv4Address(host).is_loopback for host in hosts)
    except AddressValueError:
        return False


class LoopbackRepeater:
    """Clients and where their datagrams go.

    Raises:
        OSError: the port is taken, so there is a repeater already.
    """

    def __init__(self, port: int) -> None:
        self._clients: dict[tuple[str, int], socket.socket] = {}
        self._front = _bound(LOOPBACK, port, shared=False)
        try:
            self._broadcast = _bound(LOOPBACK_BROADCAST, port, shared=True)
        except OSError:
            self._front.close()
            raise

    def run(self) -> None:
        """Repeat for ever."""
        with selectors.DefaultSelector() as selector:
            for listener in (self._front, self._broadcast):
                selector.register(listener, selectors.EVENT_READ, listener)
            while True:
                for key, _ in selector.select():
                    self._take(*key.data.recvfrom(_LARGEST_DATAGRAM))

    def close(self) -> None:
        """Give up the port and every client."""
        for open_socket in (self._front, self._broadcast, *self._clients.values()):
            open_socket.close()
        self._clients.clear()

    def _take(self, datagram: bytes, source: tuple[str, int]) -> None:
        rest = datagram
        while len(rest) >= HEADER.size and HEADER.unpack_from(rest)[0] == REGISTER:
            self._register(source)
            rest = rest[HEADER.size :]
        if not datagram:
            self._register(source)
        if rest:
            self._pass_on(_with_source(rest, source[0]), source)

    def _register(self, client: tuple[str, int]) -> None:
        if client not in self._clients:
            # A socket of its own for each client: only a connected one tells when the client is gone.
            sender = _bound(LOOPBACK, 0, shared=False)
            sender.connect(client)
            self._clients[client] = sender
        self._send(client, HEADER.pack(CONFIRM, 0, 0, 0, 0, socket.inet_aton(client[0])))
        # Whoever does not want an empty command is gone: the way to find out before the next beacon (as libca's does).
        self._pass_on(HEADER.pack(0, 0, 0, 0, 0, bytes(4)), client)

    def _pass_on(self, datagram: bytes, source: tuple[str, int]) -> None:
        for client in tuple(self._clients):
            if client != source:
                self._send(client, datagram)

    def _send(self, client: tuple[str, int], datagram: bytes) -> None:
        try:
            self._clients[client].send(datagram)
        except ConnectionRefusedError:
            self._clients.pop(client).close()


def _bound(address: str, port: int, *, shared: bool) -> socket.socket:
    opened = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        if shared:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        opened.bind((address, port))
    except OSError:
        opened.close()
        raise
    return opened


def _with_source(datagram: bytes, host: str) -> bytes:
    """A beacon of a server that does not know its own address gets the one it came from."""
    if len(datagram) < HEADER.size:
        return datagram
    command, size, type_, count, cid, available = HEADER.unpack_from(datagram)
    if command != BEACON or any(available):
        return datagram
    return HEADER.pack(command, size, type_, count, cid, socket.inet_aton(host)) + datagram[HEADER.size :]
