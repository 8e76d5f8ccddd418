"""One client's connection: requests in, values and events out.

caproto's ``VirtualCircuit`` parses what comes in and keeps the state of the connection and its channels. Reads, writes and
events change no state and go past it: they are what a server spends its time on (ADR 0101).
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, cast

import caproto as ca

from iocs.server_channel import Channel
from iocs.server_context import ServerContext
from iocs.server_dbr import CLASS_NAME, CTRL, DOUBLE, PUT_ACKS, PUT_ACKT, STSACK_STRING, decode, encoder
from iocs.server_monitor import ECA_GETFAIL, ECA_NORDACCESS, ECA_NORMAL, EVENT_ADD, Subscription, message_header, unwatch, watch
from sipmdcs.errors import DcsError

logger = logging.getLogger(__name__)

PROTOCOL_VERSION = 13
READ, ERROR, READ_NOTIFY, WRITE_NOTIFY = 3, 11, 15, 19
ECA_PUTFAIL = 160
ECA_NOWTACCESS = 376
ECA_BADTYPE = 114
ECA_BADCOUNT = 176
PARSE_BYTES = 4096
"""Bytes handled before others get their turn; some hundred requests, a few milliseconds."""
MAX_BACKLOG_BYTES = 1 << 20
"""Requests held before the client is made to wait."""
HIGH_WATER_BYTES = 1 << 20
"""Bytes a client may be behind before events are merged."""


class Claim(NamedTuple):
    """A channel that this client has open."""

    channel: Channel
    cid: int
    rights: int


class Circuit(asyncio.Protocol):
    """Protocol of one TCP connection."""

    def __init__(self, context: ServerContext) -> None:
        self.context = context
        self.stale: dict[Subscription, None] = {}
        """Subscriptions with a newer value than the client was sent, while it is held up."""
        self.is_held_up = False
        self.user = ""
        self.host = ""
        self.peer = ("", 0)
        self._transport: asyncio.Transport | None = None
        self._protocol: ca.VirtualCircuit
        self._claims: dict[int, Claim] = {}
        self._subscriptions: dict[int, Subscription] = {}
        self._out: list[bytes] = []
        self._backlog: deque[bytes] = deque()
        self._backlog_bytes = 0
        self._working = False
        self._events_off = False
        self._paused = False

    # Connection -------------------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=HIGH_WATER_BYTES)
        sock = self._transport.get_extra_info("socket")
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        self.peer = self._transport.get_extra_info("peername")
        self.host = self.peer[0]
        self._protocol = ca.VirtualCircuit(ca.SERVER, self.peer, None)
        self.context.circuits.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._backlog.clear()
        self._out.clear()
        self.context.circuits.discard(self)
        for subscription in self._subscriptions.values():
            unwatch(self._claims[subscription.sid].channel.record, subscription)
        self._subscriptions.clear()
        self._claims.clear()
        self.stale.clear()

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def pause_writing(self) -> None:
        self._paused = True
        self._update_hold()

    def resume_writing(self) -> None:
        self._paused = False
        self._update_hold()

    def _update_hold(self) -> None:
        """While a client cannot or will not take events, only the newest of each subscription is kept for it."""
        self.is_held_up = self._paused or self._events_off
        if self.is_held_up:
            return
        stale, self.stale = self.stale, {}
        for subscription in stale:
            self.write(subscription.now())

    # Output -----------------------------------------------------------------------------------------------------------

    def write(self, message: bytes) -> None:
        """Send with whatever else is due by the end of this turn of the event loop."""
        if not self._out:
            self.context.flush_later(self)
        self._out.append(message)

    def flush(self) -> None:
        """Hand over what has gathered, in one piece."""
        if self._out and self._transport is not None:
            self._transport.write(b"".join(self._out))
        self._out.clear()

    def _send(self, *commands: Any) -> None:
        for buffer in self._protocol.send(*commands):
            self.write(bytes(buffer))

    # Input ------------------------------------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        self._backlog.extend(data[start : start + PARSE_BYTES] for start in range(0, len(data), PARSE_BYTES))
        self._backlog_bytes += len(data)
        if self._backlog_bytes > MAX_BACKLOG_BYTES and self._transport is not None:
            self._transport.pause_reading()
        if not self._working:
            self._work()

    def _work(self) -> None:
        self._working = False
        if not self._backlog or self._transport is None:
            return
        data = self._backlog.popleft()
        self._backlog_bytes -= len(data)
        try:
            for command in self._parse(data):
                self._handle(command)
        except ca.CaprotoError as err:
            logger.warning("client %s:%d broke the protocol, disconnected: %s", *self.peer, str(err).split("\n")[0])
            self._transport.abort()
            return
        except Exception:  # whatever one client brings about must not touch the others
            logger.exception("client %s:%d disconnected", *self.peer)
            self._transport.abort()
            return
        if self._backlog:
            self._working = True
            asyncio.get_running_loop().call_soon(self._work)
        elif not self._transport.is_reading() and not self._transport.is_closing():
            self._transport.resume_reading()

    def _parse(self, data: bytes) -> Iterable[Any]:
        """Requests that are complete.

        Raises:
            caproto.CaprotoError: they are not requests.
        """
        try:
            requests, missing = self._protocol.recv(data)
        except (ValueError, KeyError, TypeError, IndexError, NotImplementedError) as err:
            raise ca.RemoteProtocolError(f"{type(err).__name__}: {err}") from err
        if missing > self.context.largest_request:
            # What is not complete is kept in memory, whoever sends it.
            raise ca.RemoteProtocolError(f"message longer than {self.context.largest_request} bytes")
        return requests

    def _claim(self, sid: int) -> Claim:
        """The channel that a request is about.

        Raises:
            caproto.RemoteProtocolError: the client has no such channel.
        """
        claim = self._claims.get(sid)
        if claim is None:
            raise ca.RemoteProtocolError(f"no channel {sid}")
        return claim

    def _handle(self, command: Any) -> None:
        """Answer one request.

        Raises:
            caproto.CaprotoError: it breaks the protocol.
        """
        match command:
            case ca.EventAddRequest():
                self._on_event_add(command)
            case ca.WriteNotifyRequest() | ca.WriteRequest():
                self._on_write(command)
            case ca.ReadNotifyRequest() | ca.ReadRequest():
                self._on_read(command)
            case ca.EventCancelRequest():
                self._on_event_cancel(command)
            case ca.EventsOffRequest() | ca.EventsOnRequest():
                self._events_off = isinstance(command, ca.EventsOffRequest)
                self._update_hold()
            case _:
                # Only what follows changes the state of the connection or of a channel.
                if isinstance(command, ca.VersionRequest):
                    # libca starts each search over TCP with a version whose priority counts searches; caproto minds.
                    self._protocol.priority = command.priority
                try:
                    self._protocol.process_command(command)
                except (KeyError, ValueError) as err:
                    raise ca.RemoteProtocolError(f"{type(command).__name__}: {type(err).__name__} {err}") from err
                self._handle_state(command)

    def _handle_state(self, command: Any) -> None:
        match command:
            case ca.CreateChanRequest():
                self._on_create(command)
            case ca.ClearChannelRequest():
                self._on_clear(command)
            case ca.VersionRequest():
                self._send(ca.VersionResponse(PROTOCOL_VERSION))
            case ca.HostNameRequest():
                self.host = command.name.lower()
            case ca.ClientNameRequest():
                self.user = command.name
            case ca.EchoRequest():
                self._send(ca.EchoResponse())
            case ca.SearchRequest():
                self._on_search(command)
            case _:
                raise ca.RemoteProtocolError(f"unexpected {type(command).__name__}")

    def _on_search(self, command: Any) -> None:
        """A search over TCP, by clients with ``EPICS_CA_NAME_SERVERS``."""
        if self.context.channel(command.name) is not None:
            self._send(ca.SearchResponse(self.context.port, None, command.cid, PROTOCOL_VERSION))
        elif command.reply == ca.DO_REPLY:
            self._send(ca.NotFoundResponse(version=PROTOCOL_VERSION, cid=command.cid))

    def _on_create(self, command: Any) -> None:
        channel = self.context.channel(command.name)
        if channel is None:
            self._send(ca.CreateChFailResponse(cid=command.cid))
            return
        rights = self.context.rights(channel, self.user, self.host)
        sid = self._protocol.new_channel_id()
        self._send(
            ca.AccessRightsResponse(cid=command.cid, access_rights=rights),
            ca.CreateChanResponse(channel.native_type(), channel.count(), command.cid, sid),
        )
        self._claims[sid] = Claim(channel, command.cid, rights)

    def _on_clear(self, command: Any) -> None:
        claim = self._claim(command.sid)
        self._send(ca.ClearChannelResponse(command.sid, command.cid))
        del self._claims[command.sid]
        for subscription in [held for held in self._subscriptions.values() if held.sid == command.sid]:
            self._drop(claim, subscription)

    def _drop(self, claim: Claim, subscription: Subscription) -> None:
        del self._subscriptions[subscription.identifier]
        self.stale.pop(subscription, None)
        unwatch(claim.channel.record, subscription)

    def update_rights(self, channels: Callable[[Channel], bool]) -> None:
        """Tell the client where its rights have changed, among those of its channels that ``channels`` picks."""
        for sid, claim in list(self._claims.items()):
            if not channels(claim.channel):
                continue
            rights = self.context.rights(claim.channel, self.user, self.host)
            if rights == claim.rights:
                continue
            self._claims[sid] = claim._replace(rights=rights)
            self._send(ca.AccessRightsResponse(cid=claim.cid, access_rights=rights))
            for subscription in self._subscriptions.values():
                if subscription.sid == sid:
                    subscription.readable = bool(rights & ca.AccessRights.READ)
                    self.write(subscription.now())

    # Reading ----------------------------------------------------------------------------------------------------------

    def _on_read(self, command: Any) -> None:
        claim = self._claim(command.sid)
        dbr, count = command.header.data_type, command.header.data_count
        notify = type(command) is ca.ReadNotifyRequest
        status, payload, length = self._read(claim, dbr, count)
        if not notify and status != ECA_NORMAL:
            self._fail(command, claim, status)
            return
        answer = READ_NOTIFY if notify else READ
        self.write(message_header(answer, len(payload), dbr, length, status if notify else claim.cid, command.ioid) + payload)

    def _read(self, claim: Claim, dbr: int, count: int) -> tuple[int, bytes, int]:
        if not claim.rights & ca.AccessRights.READ:
            count = min(count, claim.channel.count())
            return ECA_NORDACCESS, bytes(max(count, 1) * 8), count
        if count > claim.channel.count():
            return ECA_BADCOUNT, bytes(8), 0
        try:
            payload, length = encoder(claim.channel, dbr, count)()
        except ValueError:
            return ECA_GETFAIL, bytes(8), 0
        return ECA_NORMAL, payload, length

    def _on_event_add(self, command: Any) -> None:
        claim = self._claim(command.sid)
        dbr, count = command.header.data_type, command.header.data_count
        if command.subscriptionid in self._subscriptions:
            raise ca.RemoteProtocolError(f"subscription {command.subscriptionid} is in use")
        if not (dbr <= CTRL * 7 + DOUBLE or dbr in (CLASS_NAME, STSACK_STRING)):
            raise ca.RemoteProtocolError(f"type {dbr} cannot be monitored")
        count = min(count, claim.channel.count())
        subscription = Subscription(self, command.sid, command.subscriptionid, dbr, count, command.mask)
        subscription.readable = bool(claim.rights & ca.AccessRights.READ)
        self._subscriptions[command.subscriptionid] = subscription
        watch(claim.channel, subscription)
        self.write(subscription.now())

    def _on_event_cancel(self, command: Any) -> None:
        subscription = self._subscriptions.get(command.subscriptionid)
        if subscription is None:
            raise ca.RemoteProtocolError(f"no subscription {command.subscriptionid}")
        self._drop(self._claims[subscription.sid], subscription)
        count = command.header.data_count
        self.write(message_header(EVENT_ADD, 0, subscription.dbr, count, subscription.sid, subscription.identifier))

    # Writing ----------------------------------------------------------------------------------------------------------

    def _on_write(self, command: Any) -> None:
        claim = self._claim(command.sid)
        notify = type(command) is ca.WriteNotifyRequest
        dbr, count = command.header.data_type, command.header.data_count

        def done(error: DcsError | None) -> None:
            if error is not None:
                logger.info("%s@%s: put refused: %s", self.user, self.host, error)
            self._finish_write(command, claim, ECA_NORMAL if error is None else ECA_PUTFAIL, notify=notify)

        if not claim.rights & ca.AccessRights.WRITE:
            self._finish_write(command, claim, ECA_NOWTACCESS, notify=notify)
            return
        record = claim.channel.record
        if dbr in (PUT_ACKT, PUT_ACKS):
            level = int.from_bytes(bytes(command.buffers[0])[:2] or bytes(command.buffers[1])[:2], "big")
            (record.acknowledge_transient if dbr == PUT_ACKT else record.acknowledge)(level)
            done(None)
            return
        try:
            data = decode(bytes(command.buffers[1]), dbr, count)
        except ValueError:
            self._finish_write(command, claim, ECA_BADTYPE, notify=notify)
            return
        if claim.channel.long_string and not isinstance(data, list):
            data = [claim.channel.text_from(data)]
        self.context.write(claim.channel, data, notify=notify, done=done)

    def _finish_write(self, command: Any, claim: Claim, status: int, *, notify: bool) -> None:
        if self._transport is None or command.sid not in self._claims:
            return
        if notify:
            request = command.header
            self.write(message_header(WRITE_NOTIFY, 0, request.data_type, request.data_count, status, command.ioid))
        elif status != ECA_NORMAL:
            self._fail(command, claim, status)

    def _fail(self, command: Any, claim: Claim, status: int) -> None:
        """Report a request that has no answer of its own (``CA_PROTO_ERROR``): the request's header and the record's name."""
        request = bytes(command.header)[:16]
        payload = request + claim.channel.record.name.encode() + b"\0"
        payload += bytes(-len(payload) % 8)
        self.write(message_header(ERROR, len(payload), 0, 0, claim.cid, status) + payload)
