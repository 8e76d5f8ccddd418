"""Thousands of requests under way at once, each sent as soon as its channel is connected; the deadline grows with them."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from sipmdcs import libca
from sipmdcs.channels import PvType, PvValue
from sipmdcs.channels_ca_dbr import DBR_TIME, read_time
from sipmdcs.errors import ChannelError, ChannelTimeout, NotConnected
from sipmdcs.libca import ConnectionArgs, ConnectionHandler, EventArgs, EventHandler

T = TypeVar("T")

CHANNELS_PER_TIMEOUT = 1000
"""A request to more channels than this may take longer than its time-out in all, as long as it gets on."""


class CaChannel:
    """A channel, kept between calls; ``_state`` guards what callbacks change."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.chid = 0
        self.connected = False
        self.type = PvType.STRING
        self.count = 0
        self.waiting: list[Requests] = []
        """Who wants to send as soon as the channel is connected."""
        self.key = next(_keys)
        _channels[self.key] = self

    def forget(self) -> None:
        """No callback finds this channel any more; for when libca has cleared it."""
        del _channels[self.key]


class LentChannel(CaChannel):
    """A connected channel that belongs to a capture, as it is now; for one request."""

    def __init__(self, name: str, chid: int, type_: PvType, count: int) -> None:
        self.name, self.chid, self.connected, self.type, self.count = name, chid, True, type_, count
        self.waiting = []


class Requests(Generic[T]):
    """One request to each of many channels.

    Args:
        channels: whom to ask.
        send: sends the request of a connected channel under a key; raises ``ChannelError`` where that is impossible.
        receive: turns a reply into a result, in a thread of libca; raises ``ChannelError`` for a bad one.
    """

    def __init__(
        self,
        channels: Sequence[CaChannel],
        send: Callable[[CaChannel, int], None],
        receive: Callable[[CaChannel, EventArgs], T],
    ) -> None:
        self._channels = channels
        self._send = send
        self._receive = receive
        self._changed = threading.Condition(_state)
        self._ready: list[CaChannel] = []
        self._sent: dict[int, CaChannel] = {}
        self._results: dict[str, T | ChannelError] = {}
        self._progress_at = 0.0

    def run(self, flush: Callable[[], object], timeout: float) -> dict[str, T | ChannelError]:
        """Send all and wait for all; an entry per channel in their order.

        The waiting ends when no channel connected and no reply came for ``timeout`` seconds, and in any case after ``timeout``
        seconds for each thousand channels: many take longer than few, and one that is dead no longer than by itself.
        """
        self._progress_at = start = time.monotonic()
        limit = start + timeout * max(1.0, len(self._channels) / CHANNELS_PER_TIMEOUT)
        with _state:
            for channel in self._channels:
                if channel.connected:
                    self._ready.append(channel)
                else:
                    channel.waiting.append(self)
        flush()
        try:
            while ready := self._wait_ready(timeout, limit):
                for channel in ready:
                    self._start(channel)
                flush()
        finally:
            self._leave()
        sent = set(self._sent.values())
        return {channel.name: self._result(channel, timeout, sent=channel in sent) for channel in self._channels}

    def connected(self, channel: CaChannel) -> None:
        """A channel that was waited for is there; called with ``_state`` held."""
        self._progress_at = time.monotonic()
        self._ready.append(channel)
        self._changed.notify()

    def reply(self, key: int, args: EventArgs) -> None:
        """Take the reply to one request; called by a thread of libca."""
        channel = self._sent[key]
        result: T | ChannelError
        try:
            if args.status == libca.Eca.DISCONN:
                raise NotConnected(channel.name, "connection lost before the server answered")
            result = self._receive(channel, args)
        except ChannelError as err:
            result = err
        with self._changed:
            self._progress_at = time.monotonic()
            self._results[channel.name] = result
            if len(self._results) == len(self._channels):
                self._changed.notify()

    def _wait_ready(self, timeout: float, limit: float) -> list[CaChannel]:
        with self._changed:
            while not (self._ready or len(self._results) == len(self._channels)):
                left = min(self._progress_at + timeout, limit) - time.monotonic()
                if left <= 0:
                    break
                self._changed.wait(left)
            ready, self._ready = self._ready, []
        return ready

    def _start(self, channel: CaChannel) -> None:
        key = next(_keys)
        self._sent[key] = channel
        _requests[key] = self
        try:
            self._send(channel, key)
        except ChannelError as err:
            _requests.pop(key, None)
            with self._changed:
                self._results[channel.name] = err

    def _leave(self) -> None:
        for key in self._sent:
            _requests.pop(key, None)
        with _state:
            for channel in self._channels:
                if self in channel.waiting:
                    channel.waiting.remove(self)

    def _result(self, channel: CaChannel, timeout: float, *, sent: bool) -> T | ChannelError:
        if channel.name in self._results:
            return self._results[channel.name]
        if sent:
            return ChannelTimeout(channel.name, f"no reply within {timeout:g} s")
        return NotConnected(channel.name, f"not connected within {timeout:g} s")


class Looks:
    """What records hold when the server gets the requests that follow on the same connection; nobody waits for it.

    Args:
        found: takes the values by name.
    """

    def __init__(self, found: dict[str, PvValue]) -> None:
        self._found = found
        self._sent: dict[int, CaChannel] = {}

    def key(self, channel: CaChannel) -> int:
        """Key of a request for the value of ``channel``."""
        key = next(_keys)
        self._sent[key] = channel
        _requests[key] = self
        return key

    def reply(self, key: int, args: EventArgs) -> None:
        """Take a reply; called by a thread of libca."""
        if args.status == libca.Eca.NORMAL and args.dbr:
            self._found[self._sent[key].name] = read_time(
                args.dbr, PvType(args.type - DBR_TIME), args.count, scalar=args.count == 1
            )

    def end(self) -> None:
        """Nothing more is taken."""
        for key in self._sent:
            _requests.pop(key, None)


_keys = itertools.count(1)
"""User pointers of channels and requests. Never used twice, so that nothing that comes late can be mistaken."""

_channels: dict[int, CaChannel] = {}
_requests: dict[int, Requests | Looks] = {}
_state = threading.Lock()
"""Never held while libca is called: libca holds a lock of its own while it runs a callback."""


@ConnectionHandler
def _on_connection(args: ConnectionArgs) -> None:
    ca = libca.load()
    channel = _channels.get(ca.ca_puser(args.chid))
    if channel is None:
        return
    up = args.op == libca.CA_OP_CONN_UP
    type_, count = (
        (PvType(ca.ca_field_type(args.chid)), ca.ca_element_count(args.chid)) if up else (channel.type, channel.count)
    )
    with _state:
        channel.connected, channel.type, channel.count = up, type_, count
        if up:
            waiting, channel.waiting = channel.waiting, []
            for requests in waiting:
                requests.connected(channel)


@EventHandler
def _on_reply(args: EventArgs) -> None:
    requests = _requests.pop(args.usr, None)
    if requests is not None:
        requests.reply(args.usr, args)


CONNECTION_HANDLER = libca.address(_on_connection)
REPLY_HANDLER = libca.address(_on_reply)
