"""What the requests of one client do: channels, reads, puts, monitors.

Written after ``camessage.c`` of EPICS Base (rsrv). A request that cannot be granted fails by itself; only one that shows that
client and server no longer agree on the state of the connection ends it, as in Base, and the client is told why (ADR 0390).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator
from struct import Struct
from typing import TYPE_CHECKING

from iocs.access import READ, WRITE
from iocs.records.put import Data
from iocs.records.record import LiveRecord
from iocs.server_budget import CHANNEL_BYTES, PUT_BYTES, SUBSCRIPTION_BYTES, WITHDRAWN_BYTES
from iocs.server_channel import Channel
from iocs.server_context import ServerContext
from iocs.server_dbr import LAST_TYPE, PUT_ACKS, PUT_ACKT, decode, encoder
from iocs.server_log import Sparing
from iocs.server_monitor import ECA_GETFAIL, ECA_NORDACCESS, ECA_NORMAL, EVENT_ADD, EVENT_BITS, Subscription, unwatch, watch
from iocs.server_requests import ProtocolError, Request, message_header
from iocs.server_write import Put
from sipmdcs.errors import DcsError

if TYPE_CHECKING:
    from iocs.server_circuit import Circuit

logger = logging.getLogger(__name__)
logger.addFilter(Sparing())

PROTOCOL_VERSION = 13
OLDEST_VERSION = 4
"""Clients of EPICS R3.11 and before connected in another way."""
VERSION, EVENT_CANCEL, READ_OLD, WRITE_OLD, SEARCH = 0, 2, 3, 4, 6
EVENTS_OFF, EVENTS_ON, READ_SYNC, ERROR, CLEAR_CHANNEL = 8, 9, 10, 11, 12
NOT_FOUND, READ_NOTIFY, CREATE_CHANNEL, WRITE_NOTIFY, CLIENT_NAME = 14, 15, 18, 19, 20
HOST_NAME, ACCESS_RIGHTS, ECHO, CREATE_FAIL, SERVER_DISCONNECT = 21, 22, 23, 26, 27
OF_A_CHANNEL = (EVENT_ADD, EVENT_CANCEL, READ_OLD, WRITE_OLD, CLEAR_CHANNEL, READ_NOTIFY, WRITE_NOTIFY)
DO_REPLY = 10
NO_CHANNEL = 0xFFFF_FFFF

ECA_ALLOCMEM = 48
ECA_TOLARGE = 72
ECA_BADTYPE = 114
ECA_INTERNAL = 142
ECA_PUTFAIL = 160
ECA_BADCOUNT = 176
ECA_BADMONID = 242
ECA_PUTCBINPROG = 362
ECA_NOWTACCESS = 376

MAX_NAME_BYTES = 512
"""Longest name of a user or host."""
MAX_WAITING_PUTS = 64
"""Puts with completion that one channel of a client may have outstanding; EPICS Base lets one wait for another."""

_EVENT_MASK = Struct(">12xH")


class Claim:
    """A channel that this client has open."""

    __slots__ = ("channel", "cid", "rights", "sid", "subscriptions", "waiting_puts")

    def __init__(self, channel: Channel, cid: int, sid: int, rights: int) -> None:
        self.channel = channel
        self.cid = cid
        self.sid = sid
        self.rights = rights
        self.subscriptions: dict[int, Subscription] = {}
        """By the client's number; of several with one number the newest."""
        self.waiting_puts = 0

    def all_subscriptions(self) -> Iterator[Subscription]:
        for subscription in self.subscriptions.values():
            held: Subscription | None = subscription
            while held is not None:
                yield held
                held = held.older


class Session:
    """The state of one client.

    Args:
        context: the server.
        circuit: its connection.
    """

    def __init__(self, context: ServerContext, circuit: Circuit) -> None:
        self.user = ""
        self.host = ""
        self.peer = ("", 0)
        self.claims: dict[int, Claim] = {}
        """By the server's number of the channel (``sid``)."""
        self._context = context
        self._circuit = circuit
        self._withdrawn: set[int] = set()
        """Numbers of channels whose records are gone: what the client had sent before it knew asks for nothing any more."""
        self._next_sid = 1
        self._actions: dict[int, Callable[[Request], None]] = {
            VERSION: self._on_version,
            EVENT_ADD: self._on_event_add,
            EVENT_CANCEL: self._on_event_cancel,
            READ_OLD: self._on_read,
            WRITE_OLD: self._on_write,
            SEARCH: self._on_search,
            EVENTS_OFF: lambda _: circuit.set_events(on=False),
            EVENTS_ON: lambda _: circuit.set_events(on=True),
            READ_SYNC: lambda request: circuit.write(request._replace(size=0).header()),
            CLEAR_CHANNEL: self._on_clear,
            READ_NOTIFY: self._on_read,
            CREATE_CHANNEL: self._on_create,
            WRITE_NOTIFY: self._on_write,
            CLIENT_NAME: self._on_name,
            HOST_NAME: self._on_name,
            ECHO: lambda request: circuit.write(request.header() + (request.payload or b"")),
        }

    def handle(self, request: Request) -> None:
        """Answer one request.

        Raises:
            ProtocolError: after this one nothing on the connection would mean what the client thinks; it has been told so.
        """
        if request.first in self._withdrawn and request.command in OF_A_CHANNEL:
            return
        action = self._actions.get(request.command)
        if action is None:
            raise self._broken(request, f"command {request.command} is not a request")
        if request.payload is None:
            self._on_too_large(request)
        else:
            action(request)

    def close(self) -> None:
        """The connection is gone."""
        for claim in self.claims.values():
            for subscription in claim.all_subscriptions():
                unwatch(claim.channel.record, subscription)
        self.claims.clear()

    # Refusals ---------------------------------------------------------------------------------------------------------

    def _report(self, request: Request, status: int, text: str, cid: int = NO_CHANNEL) -> None:
        """Report a request that has no answer of its own (``CA_PROTO_ERROR``): its header, and a text."""
        payload = request.header() + text.encode()[:256] + b"\0"
        payload += bytes(-len(payload) % 8)
        self._circuit.write(message_header(ERROR, len(payload), 0, 0, cid, status) + payload)

    def _broken(self, request: Request, text: str, status: int = ECA_INTERNAL) -> ProtocolError:
        self._report(request, status, text)
        return ProtocolError(text)

    def _refuse(self, request: Request, claim: Claim, status: int) -> None:
        self._report(request, status, claim.channel.record.name, claim.cid)

    def _on_too_large(self, request: Request) -> None:
        """The payload has not been kept; what comes after it is understood."""
        if request.command == WRITE_NOTIFY:
            self._circuit.write(message_header(WRITE_NOTIFY, 0, request.dbr, request.elements, ECA_TOLARGE, request.second))
        elif request.command == CREATE_CHANNEL:
            self._circuit.write(message_header(CREATE_FAIL, 0, 0, 0, request.first, 0))
        else:
            self._report(request, ECA_TOLARGE, f"{request.size} bytes are too many")

    def _claim(self, request: Request) -> Claim:
        """The channel that a request is about.

        Raises:
            ProtocolError: the client has no such channel.
        """
        claim = self.claims.get(request.first)
        if claim is None:
            raise self._broken(request, f"no channel {request.first}")
        return claim

    # Connection -------------------------------------------------------------------------------------------------------

    def _on_version(self, request: Request) -> None:
        """The server's own version was sent when the connection was made."""
        if request.elements < OLDEST_VERSION:
            raise self._broken(request, f"version 4.{request.elements} of the protocol is too old")

    def _on_name(self, request: Request) -> None:
        """Who the client is; once it has channels, it stays the one that their rights were given to."""
        if self.claims:
            self._report(request, ECA_INTERNAL, "the name is ignored, there are channels already")
            return
        if request.size > MAX_NAME_BYTES:
            raise self._broken(request, f"a name of {request.size} bytes")
        name = "".join(char if char.isprintable() else "?" for char in _text(request, "utf-8"))
        if request.command == HOST_NAME:
            self.host = name.lower()
        else:
            self.user = name

    def _on_search(self, request: Request) -> None:
        """A search over TCP, by clients with ``EPICS_CA_NAME_SERVERS``."""
        if self._context.channel(_text(request)) is not None:
            reply = message_header(SEARCH, 8, self._context.port, 0, NO_CHANNEL, request.first)
            self._circuit.write(reply + PROTOCOL_VERSION.to_bytes(2, "big") + bytes(6))
        elif request.dbr == DO_REPLY:
            self._circuit.write(message_header(NOT_FOUND, 0, DO_REPLY, PROTOCOL_VERSION, request.first, request.first))

    # Channels ---------------------------------------------------------------------------------------------------------

    def _on_create(self, request: Request) -> None:
        cid = request.first
        channel = self._context.channel(_text(request))
        if channel is None or not self._circuit.account.take(CHANNEL_BYTES):
            self._circuit.write(message_header(CREATE_FAIL, 0, 0, 0, cid, 0))
            return
        self._context.is_used(self._circuit)
        rights = self._context.rights(channel, self.user, self.host)
        sid = self._new_sid()
        self.claims[sid] = Claim(channel, cid, sid, rights)
        self._circuit.write(
            message_header(ACCESS_RIGHTS, 0, 0, 0, cid, rights)
            + message_header(CREATE_CHANNEL, 0, channel.native_type(), channel.count(), cid, sid)
        )

    def _new_sid(self) -> int:
        while self._next_sid in self.claims or self._next_sid in self._withdrawn:
            self._next_sid = self._next_sid + 1 & 0xFFFF_FFFF
        sid = self._next_sid
        self._next_sid = sid + 1 & 0xFFFF_FFFF
        return sid

    def _on_clear(self, request: Request) -> None:
        claim = self._claim(request)
        del self.claims[claim.sid]
        for subscription in claim.all_subscriptions():
            self._drop(claim, subscription)
        self._circuit.account.give_back(CHANNEL_BYTES)
        self._circuit.write(message_header(CLEAR_CHANNEL, 0, 0, 0, claim.sid, request.second))

    def withdraw(self, records: Collection[LiveRecord]) -> None:
        """Disconnect the client from its channels of ``records``; whether there are others of that name, it will search."""
        for claim in [claim for claim in self.claims.values() if claim.channel.record in records]:
            del self.claims[claim.sid]
            for subscription in claim.all_subscriptions():
                self._drop(claim, subscription)
            self._withdrawn.add(claim.sid)
            self._circuit.account.give_back(CHANNEL_BYTES - WITHDRAWN_BYTES)
            self._circuit.write(message_header(SERVER_DISCONNECT, 0, 0, 0, claim.cid, 0))

    def update_rights(self, channels: Callable[[Channel], bool]) -> None:
        """Tell the client where its rights have changed, among those of its channels that ``channels`` picks."""
        for claim in self.claims.values():
            if not channels(claim.channel):
                continue
            rights = self._context.rights(claim.channel, self.user, self.host)
            if rights == claim.rights:
                continue
            claim.rights = rights
            self._circuit.write(message_header(ACCESS_RIGHTS, 0, 0, 0, claim.cid, rights))
            for subscription in claim.all_subscriptions():
                subscription.readable = bool(rights & READ)
                self._circuit.write(subscription.now())

    # Reading ----------------------------------------------------------------------------------------------------------

    def _on_read(self, request: Request) -> None:
        claim = self._claim(request)
        notify = request.command == READ_NOTIFY
        status, payload, length = self._read(claim, request.dbr, request.elements)
        if not notify and status != ECA_NORMAL:
            self._refuse(request, claim, status)
            return
        first = status if notify else claim.cid
        self._circuit.write(message_header(request.command, len(payload), request.dbr, length, first, request.second) + payload)

    def _read(self, claim: Claim, dbr: int, count: int) -> tuple[int, bytes, int]:
        if not claim.rights & READ:
            count = min(count, claim.channel.count())
            return ECA_NORDACCESS, bytes(max(count, 1) * 8), count
        if count > claim.channel.count():
            return ECA_BADCOUNT, bytes(8), 0
        try:
            payload, length = encoder(claim.channel, dbr, count)()
        except ValueError:
            return ECA_GETFAIL, bytes(8), 0
        return ECA_NORMAL, payload, length

    def _on_event_add(self, request: Request) -> None:
        claim = self._claim(request)
        _, dbr, count, sid, identifier, payload, _ = request
        mask = _EVENT_MASK.unpack_from(payload)[0] & EVENT_BITS if payload and len(payload) >= 14 else 0
        if dbr > LAST_TYPE:
            self._refuse(request, claim, ECA_BADTYPE)
            return
        if not mask or not self._circuit.account.take(SUBSCRIPTION_BYTES):
            self._refuse(request, claim, ECA_ALLOCMEM)
            return
        subscription = Subscription(self._circuit, sid, identifier, dbr, min(count, claim.channel.count()), mask)
        subscription.readable = bool(claim.rights & READ)
        subscription.older = claim.subscriptions.get(identifier)
        claim.subscriptions[identifier] = subscription
        watch(claim.channel, subscription)
        if self._circuit.is_held_up:
            self._circuit.stale[subscription] = None
        else:
            self._circuit.write(subscription.now())

    def _on_event_cancel(self, request: Request) -> None:
        claim = self._claim(request)
        subscription = claim.subscriptions.pop(request.second, None)
        if subscription is None:
            raise self._broken(request, f"no subscription {request.second}", ECA_BADMONID)
        if subscription.older is not None:
            claim.subscriptions[request.second], subscription.older = subscription.older, None
        self._drop(claim, subscription)
        self._circuit.write(message_header(EVENT_ADD, 0, subscription.dbr, request.elements, claim.sid, request.second))

    def _drop(self, claim: Claim, subscription: Subscription) -> None:
        self._circuit.stale.pop(subscription, None)
        unwatch(claim.channel.record, subscription)
        self._circuit.account.give_back(SUBSCRIPTION_BYTES)

    # Writing ----------------------------------------------------------------------------------------------------------

    def _on_write(self, request: Request) -> None:
        claim = self._claim(request)
        channel, dbr, payload = claim.channel, request.dbr, request.payload or b""
        if not claim.rights & WRITE:
            self._finish_write(request, claim, ECA_NOWTACCESS)
            return
        if dbr in (PUT_ACKT, PUT_ACKS):
            level = int.from_bytes(payload[:2], "big")
            (channel.record.acknowledge_transient if dbr == PUT_ACKT else channel.record.acknowledge)(level)
            self._finish_write(request, claim, ECA_NORMAL)
            return
        try:
            data = decode(payload, dbr, request.elements)
        except ValueError:
            self._finish_write(request, claim, ECA_BADTYPE)
            return
        if channel.long_string and not isinstance(data, list):
            data = [channel.text_from(data)]
        self._write(request, claim, data)

    def _write(self, request: Request, claim: Claim, data: Data) -> None:
        kept = PUT_BYTES + request.size
        account = self._circuit.account
        if claim.waiting_puts >= MAX_WAITING_PUTS or not account.take(kept):
            self._finish_write(request, claim, ECA_PUTCBINPROG if claim.waiting_puts else ECA_ALLOCMEM)
            return
        claim.waiting_puts += 1

        def done(error: DcsError | None) -> None:
            claim.waiting_puts -= 1
            account.give_back(kept)
            if error is not None:
                logger.info("%s@%s: put refused: %s", self.user, self.host, error)
            self._finish_write(request, claim, ECA_NORMAL if error is None else ECA_PUTFAIL)

        channel = claim.channel
        who = f"{self.user}@{self.host}" if self._context.is_trapped(channel, self.user, self.host) else ""
        is_wanted = lambda: self.claims.get(claim.sid) is claim  # noqa: E731
        self._context.write(channel.record, Put(channel.field, data, request.command == WRITE_NOTIFY, done, is_wanted, who))

    def _finish_write(self, request: Request, claim: Claim, status: int) -> None:
        if self.claims.get(claim.sid) is not claim:
            return
        if request.command == WRITE_NOTIFY:
            header = message_header(WRITE_NOTIFY, 0, request.dbr, request.elements, status, request.second)
            self._circuit.write(header)
        elif status != ECA_NORMAL:
            self._refuse(request, claim, status)


def version() -> bytes:
    """What a server sends first on every connection."""
    return message_header(VERSION, 0, 0, PROTOCOL_VERSION, 0, 0)


def _text(request: Request, encoding: str = "latin-1") -> str:
    """The text that a payload holds up to its terminator."""
    return (request.payload or b"").split(b"\0", 1)[0].decode(encoding, errors="replace")
