"""What a server does over UDP: searches, relayed searches, beacons.

All IOCs of a host share the search port. The kernel gives a datagram for 127.0.0.1 to one of them only, one for the
loopback broadcast 127.255.255.255 to all. Each IOC therefore listens on both, and one that gets a search on 127.0.0.1 for
names it lacks repeats it to 127.255.255.255 and passes the answer on. What arrives by broadcast is never repeated, so
there are no loops (ADR 0105).
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable
from ipaddress import IPv4Address
from typing import NamedTuple, cast

import caproto as ca

from iocs.server_search import PROTOCOL_VERSION, answer, datagrams, find_ours, parse_answers, parse_searches, question
from iocs.server_sockets import LOOPBACK, LOOPBACK_BROADCAST

logger = logging.getLogger(__name__)

Address = tuple[str, int]
MAX_PENDING = 20_000
"""Relayed searches that still wait for an answer; the oldest are forgotten first."""
ADDRESS_OF_SENDER = "0.0.0.0"  # noqa: S104
"""Makes the receiver of a beacon take the address it came from; nothing is bound to it."""
FIRST_BEACON_S = 0.02
"""Pause after the first beacon; doubles up to ``EPICS_CAS_BEACON_PERIOD``."""


MAX_UNSENT_BYTES = 1 << 20
"""Answers that the kernel does not take at once; further ones are dropped, as clients search again."""


def send(transport: asyncio.DatagramTransport, datagram: bytes, address: Address) -> None:
    """Send, or drop what would only wait in memory."""
    # Every transport of asyncio has a buffer; the type of those for datagrams does not say so.
    unsent = cast("asyncio.WriteTransport", transport).get_write_buffer_size()
    if unsent < MAX_UNSENT_BYTES and not transport.is_closing():
        transport.sendto(datagram, address)


class Searches(asyncio.DatagramProtocol):
    """Answers searches that arrive at one address."""

    def __init__(self, has: Callable[[str], bool], tcp_port: int, relay: Relay | None) -> None:
        self._has = has
        self._tcp_port = tcp_port
        self._relay = relay
        self._transport: asyncio.DatagramTransport

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        self._transport = transport

    def datagram_received(self, data: bytes, addr: Address) -> None:
        replies, others = find_ours(parse_searches(data), self._has, self._tcp_port)
        for reply in replies:
            send(self._transport, reply, addr)
        if others and self._relay is not None:
            self._relay.ask(others, addr, self._transport)

    def error_received(self, exc: Exception) -> None:
        logger.debug("search socket: %s", exc)


class _Asked(NamedTuple):
    number: int
    client: Address
    reply_through: asyncio.DatagramTransport


class Relay(asyncio.DatagramProtocol):
    """Repeats searches to the loopback broadcast and hands answers back to who asked."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._asked: dict[int, _Asked] = {}
        self._next = 0
        self._transport: asyncio.DatagramTransport

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        self._transport = transport

    def ask(self, names: list[tuple[int, str]], client: Address, reply_through: asyncio.DatagramTransport) -> None:
        """Search for ``names`` on behalf of ``client``."""
        messages: list[bytes] = []
        for number, name in names:
            self._next = (self._next + 1) & 0x7FFF_FFFF
            self._asked[self._next] = _Asked(number, client, reply_through)
            messages.append(question(self._next, name))
        while len(self._asked) > MAX_PENDING:
            del self._asked[next(iter(self._asked))]
        for datagram in datagrams(messages, None):
            send(self._transport, datagram, (LOOPBACK_BROADCAST, self._port))

    def datagram_received(self, data: bytes, addr: Address) -> None:
        for ticket, port in parse_answers(data):
            asked = self._asked.pop(ticket, None)
            # A client takes the server to be where the answer comes from, which holds for this host only.
            if asked is not None and IPv4Address(addr[0]).is_loopback:
                for datagram in datagrams([answer(asked.number, port)], None):
                    send(asked.reply_through, datagram, asked.client)

    def error_received(self, exc: Exception) -> None:
        logger.debug("relay socket: %s", exc)


async def send_beacons(tcp_port: int, addresses: list[Address], period_s: float, news: asyncio.Event) -> None:
    """Announce the server until cancelled, often at first and after ``news`` of more records, then once a ``period_s``.

    Nobody listening, a down interface or a full buffer is no fault of the server: each is logged once per address.
    """
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    sock.setblocking(False)
    if all(host in (LOOPBACK, LOOPBACK_BROADCAST) for host, _ in addresses):
        sock.bind((LOOPBACK, 0))  # left to the kernel, its port would be open to the network
    complained: set[Address] = set()
    pause = FIRST_BEACON_S
    number = 0
    with sock:
        while True:
            beacon = bytes(ca.Beacon(PROTOCOL_VERSION, tcp_port, number, ADDRESS_OF_SENDER))
            for address in addresses:
                try:
                    sock.sendto(beacon, address)
                except OSError as err:
                    if address not in complained:
                        complained.add(address)
                        logger.info("no beacons to %s:%d: %s", *address, err)
            number += 1
            try:
                await asyncio.wait_for(news.wait(), pause)
            except TimeoutError:
                pause = min(pause * 2, period_s)
            else:
                news.clear()
                pause = FIRST_BEACON_S
