"""One client's connection: when its requests are handled, and when what is due to it is sent.

What the requests do is in ``server_session``. Nothing that one client sends, or fails to read, costs the others more than a
turn of the event loop or the server more memory than its account allows (ADR 0107, 0391).
"""

from __future__ import annotations

import asyncio
import logging
import socket
from typing import cast

from iocs.server_context import ServerContext
from iocs.server_log import Sparing
from iocs.server_monitor import Subscription
from iocs.server_requests import SMALL_REQUEST, ProtocolError, RequestReader
from iocs.server_session import Session, version

logger = logging.getLogger(__name__)
logger.addFilter(Sparing())

TURN_S = 0.002
"""Time for the requests of one client before others get their turn."""
MAX_BACKLOG_BYTES = 1 << 16
"""Requests held before the client is made to wait."""
HIGH_WATER_BYTES = 1 << 18
"""Bytes a client may be behind before events are merged and its requests wait."""
REQUEST_DEADLINE_S = 30.0
"""Time for the first request after connecting, and for the rest of any request that has begun."""
KEEPALIVE = ((socket.TCP_KEEPIDLE, 60), (socket.TCP_KEEPINTVL, 15), (socket.TCP_KEEPCNT, 4))
"""A client whose machine is gone is noticed within two minutes."""


class Circuit(asyncio.Protocol):
    """Protocol of one TCP connection."""

    def __init__(self, context: ServerContext) -> None:
        self.context = context
        self.account = context.budget.account()
        self.stale: dict[Subscription, None] = {}
        """Subscriptions with a newer value than the client was sent, while it is held up."""
        self.is_held_up = False
        self.session = Session(context, self)
        self._requests = RequestReader(self._admit)
        self._transport: asyncio.Transport | None = None
        self._out: list[bytes] = []
        self._out_bytes = 0
        self._working = False
        self._events_off = False
        self._paused = False
        self._behind = 0
        """Bytes the client has not read, while it is so far behind that it is made to wait."""
        self._waiting_since: float | None = 0.0

    # Connection -------------------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        if not self.context.admit(self):
            self._transport.abort()
            return
        self._transport.set_write_buffer_limits(high=HIGH_WATER_BYTES)
        sock = self._transport.get_extra_info("socket")
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in KEEPALIVE:
            sock.setsockopt(socket.IPPROTO_TCP, option, value)
        self.session.peer = self._transport.get_extra_info("peername")
        self.session.host = self.session.peer[0]
        self._waiting_since = asyncio.get_running_loop().time()
        self.write(version())

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._out.clear()
        self.stale.clear()
        self.session.close()
        self.account.close()
        self.context.forget(self)

    @property
    def is_open(self) -> bool:
        return self._transport is not None

    def close(self) -> None:
        """End the connection when everything that is due has been sent."""
        if self._transport is not None:
            self.flush()
            self._transport.close()

    def abort(self) -> None:
        """End the connection at once."""
        if self._transport is not None:
            self._transport.abort()

    def check_deadline(self, now: float) -> None:
        """End a connection whose client does not send what it has to, by the clock of the event loop."""
        if self._waiting_since is None or self._working or self._paused or now < self._waiting_since + REQUEST_DEADLINE_S:
            return
        logger.info("client %s:%d sent no whole request within %g s, disconnected", *self.session.peer, REQUEST_DEADLINE_S)
        self.abort()

    # Output -----------------------------------------------------------------------------------------------------------

    def pause_writing(self) -> None:
        assert self._transport is not None  # noqa: S101 - it is the transport that calls
        self._paused = True
        self._behind = self._transport.get_write_buffer_size()
        self._update_hold()
        if not self.account.take(self._behind):
            logger.info("client %s:%d does not read, and there is no memory to keep more for it", *self.session.peer)
            self.abort()

    def resume_writing(self) -> None:
        self._paused = False
        self.account.give_back(self._behind)
        self._update_hold()
        self._go_on()

    def set_events(self, *, on: bool) -> None:
        """The client wants events, or wants none for now."""
        self._events_off = not on
        self._update_hold()

    def _update_hold(self) -> None:
        """While a client cannot or will not take events, only the newest of each subscription is kept for it."""
        self.is_held_up = self._paused or self._events_off
        if self.is_held_up or not self.stale:
            return
        for subscription in list(self.stale):
            del self.stale[subscription]
            self.write(subscription.now())
            if self.is_held_up:
                return

    def write(self, message: bytes) -> None:
        """Send with whatever else is due by the end of this turn of the event loop."""
        if not self._out:
            self.context.flush_later(self)
        self._out.append(message)
        self._out_bytes += len(message)
        if self._out_bytes > HIGH_WATER_BYTES:
            self.flush()

    def flush(self) -> None:
        """Hand over what has gathered, in one piece."""
        out, self._out, self._out_bytes = self._out, [], 0
        if out and self._transport is not None:
            self._transport.write(b"".join(out))

    # Input ------------------------------------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        self._requests.feed(data)
        if not self._working:
            self._work()
        if (self._working or self._paused) and len(self._requests) > MAX_BACKLOG_BYTES and self._transport is not None:
            self._transport.pause_reading()

    def _go_on(self) -> None:
        """Handle further requests in the next turn of the event loop."""
        if not self._working:
            self._working = True
            asyncio.get_running_loop().call_soon(self._work)

    def _admit(self, size: int) -> bool:
        return size <= self.context.largest_request and self.account.take(size)

    def _work(self) -> None:
        self._working = False
        if self._transport is None or self._transport.is_closing():
            return
        try:
            self._handle_requests()
        except ProtocolError as err:
            logger.warning("client %s:%d broke the protocol, disconnected: %s", *self.session.peer, err)
            self.close()
        except Exception:  # whatever one client brings about must not touch the others
            logger.exception("client %s:%d disconnected", *self.session.peer)
            self.abort()

    def _handle_requests(self) -> None:
        now = asyncio.get_running_loop().time
        end = now() + TURN_S
        handle, take = self.session.handle, self._requests.next
        while not self._paused:
            request = take()
            if request is None:
                self._wait(None if self._requests.is_between_requests else now())
                return
            self._waiting_since = None
            handle(request)
            if request.size > SMALL_REQUEST and request.payload is not None:
                self.account.give_back(request.size)
            if now() > end:
                self._go_on()
                return

    def _wait(self, since: float | None) -> None:
        """All complete requests are handled; the rest of one that has begun is due from ``since`` on."""
        if self._waiting_since is None:
            self._waiting_since = since
        if self._transport is not None and not self._transport.is_reading() and not self._transport.is_closing():
            self._transport.resume_reading()
