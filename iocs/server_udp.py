"""What a server does over UDP: searches, relayed searches, beacons.

All IOCs of a host share the search port. The kernel gives a datagram for 127.0.0.1 to one of them only, one for the
loopback broadcast 127.255.255.255 to all. Each IOC therefore listens on both, and one that gets a search on 127.0.0.1 for
names it lacks repeats it to 127.255.255.255 and passes the answer on. What arrives by broadcast is never repeated, so
there are no loops (ADR 0105).

Searches are answered in a thread, whatever the event loop does at that moment: libca takes an answer that comes after a few
hundredths of a second for a lost one, and then searches for fewer names at a time (ADR 0501).
"""

from __future__ import annotations

import asyncio
import logging
import selectors
import socket
import threading
from collections.abc import Callable, Iterable
from ipaddress import IPv4Address
from typing import NamedTuple

import caproto as ca

from iocs.server_search import PROTOCOL_VERSION, answer, datagrams, find_ours, parse_answers, parse_searches, question
from iocs.server_sockets import LOOPBACK, LOOPBACK_BROADCAST

logger = logging.getLogger(__name__)

Address = tuple[str, int]
MAX_PENDING = 20_000
"""Relayed searches that still wait for an answer; the oldest are forgotten first."""
MAX_RECEIVED = 65_535
"""Bytes of a datagram."""
MAX_IN_TURN = 64
"""Datagrams of one socket that are answered before another socket has its turn."""
ADDRESS_OF_SENDER = "0.0.0.0"  # noqa: S104
"""Makes the receiver of a beacon take the address it came from; nothing is bound to it."""
FIRST_BEACON_S = 0.02
"""Pause after the first beacon; doubles up to ``EPICS_CAS_BEACON_PERIOD``."""


def send(sock: socket.socket, datagram: bytes, address: Address) -> None:
    """Send, or drop what the kernel does not take at once: clients search again."""
    try:
        sock.sendto(datagram, address)
    except OSError as err:
        logger.debug("search socket: %s", err)


class Searches:
    """Answers searches that arrive at one address.

    Args:
        sock: receives them; does not block.
        has: whether there is a channel of a name; is called in the thread.
        tcp_port: where channels are to be had.
        relay: asks the others of this host, where nobody else does.
    """

    def __init__(self, sock: socket.socket, has: Callable[[str], bool], tcp_port: int, relay: Relay | None) -> None:
        self.sock = sock
        self._has = has
        self._tcp_port = tcp_port
        self._relay = relay

    def receive(self, data: bytes, sender: Address) -> None:
        """Answer one datagram."""
        replies, others = find_ours(parse_searches(data), self._has, self._tcp_port)
        for reply in replies:
            send(self.sock, reply, sender)
        if others and self._relay is not None:
            self._relay.ask(others, sender, self.sock)


class _Asked(NamedTuple):
    number: int
    client: Address
    reply_through: socket.socket


class Relay:
    """Repeats searches to the loopback broadcast and hands answers back to who asked.

    Args:
        sock: sends the questions and receives the answers; does not block.
        port: of the searches.
    """

    def __init__(self, sock: socket.socket, port: int) -> None:
        self.sock = sock
        self._port = port
        self._asked: dict[int, _Asked] = {}
        self._next = 0

    def ask(self, names: list[tuple[int, str]], client: Address, reply_through: socket.socket) -> None:
        """Search for ``names`` on behalf of ``client``."""
        messages: list[bytes] = []
        for number, name in names:
            self._next = (self._next + 1) & 0x7FFF_FFFF
            self._asked[self._next] = _Asked(number, client, reply_through)
            messages.append(question(self._next, name))
        while len(self._asked) > MAX_PENDING:
            del self._asked[next(iter(self._asked))]
        for datagram in datagrams(messages, None):
            send(self.sock, datagram, (LOOPBACK_BROADCAST, self._port))

    def receive(self, data: bytes, sender: Address) -> None:
        """Hand on the answers in one datagram."""
        for ticket, port in parse_answers(data):
            asked = self._asked.pop(ticket, None)
            # A client takes the server to be where the answer comes from, which holds for this host only.
            if asked is not None and IPv4Address(sender[0]).is_loopback:
                for datagram in datagrams([answer(asked.number, port)], None):
                    send(asked.reply_through, datagram, asked.client)


class SearchThread:
    """The thread that answers, from entering the context to leaving it.

    Args:
        receivers: who take the datagrams of their sockets.
    """

    def __init__(self, receivers: Iterable[Searches | Relay]) -> None:
        self._receivers = [*receivers]
        self._thread = threading.Thread(target=self._run, name="searches", daemon=True)
        self._wake, self._woken = socket.socketpair()

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._wake.close()
        self._thread.join()
        self._woken.close()

    def _run(self) -> None:
        with selectors.DefaultSelector() as selector:
            for receiver in self._receivers:
                selector.register(receiver.sock, selectors.EVENT_READ, receiver)
            selector.register(self._woken, selectors.EVENT_READ)
            while True:
                for key, _ in selector.select():
                    if key.data is None:
                        return
                    _receive(key.data)


def _receive(receiver: Searches | Relay) -> None:
    """What waits at one socket. Whatever is wrong with one datagram, the next one may be good."""
    for _ in range(MAX_IN_TURN):
        try:
            data, sender = receiver.sock.recvfrom(MAX_RECEIVED)
        except BlockingIOError:
            return
        except OSError as err:  # such as: nobody listens where an answer was sent
            logger.debug("search socket: %s", err)
            continue
        try:
            receiver.receive(data, sender)
        except Exception:  # a fault of ours, which the log is told with its place; the thread must go on answering others
            logger.exception("a search from %s:%d", *sender)


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
