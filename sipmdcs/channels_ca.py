"""The Channel Access client: libca of EPICS Base, many PVs at once. Made by ``channels.open_channels``."""

from __future__ import annotations

import atexit
import ctypes
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from typing import TypeVar

from sipmdcs import libca
from sipmdcs.channels import Mask, PvData, PvMetadata, PvType, PvValue
from sipmdcs.channels_ca_capture import CaCapture
from sipmdcs.channels_ca_context import CaContext, create_channel
from sipmdcs.channels_ca_dbr import DBR_TIME, METADATA_SIZE, encode, metadata_type, read_metadata, read_time
from sipmdcs.channels_ca_requests import CONNECTION_HANDLER, REPLY_HANDLER, CaChannel, LentChannel, Looks, Requests
from sipmdcs.channels_ca_ring import open_ring
from sipmdcs.errors import ChannelError, NotConnected, PutRefused
from sipmdcs.libca import Eca, EventArgs

T = TypeVar("T")

_open: set[CaChannels] = set()


class CaChannels:
    """See ``channels.Channels``. Any thread may call any method.

    Args:
        native: ``False`` captures with ctypes callbacks even where the C extension was built.
    """

    def __init__(self, *, native: bool = True) -> None:
        self._native = native
        self._context = CaContext()
        self._creating = threading.Lock()
        self._channels: dict[str, CaChannel] = {}
        self._captures: set[CaCapture] = set()
        _open.add(self)

    def get(self, names: Sequence[str], *, timeout: float = 5.0) -> dict[str, PvValue | ChannelError]:
        def send(channel: CaChannel, key: int) -> None:
            count = 1 if channel.count == 1 else 0  # 0: as many elements as there are now
            _request_value(channel, key, DBR_TIME + channel.type, count)

        def receive(channel: CaChannel, args: EventArgs) -> PvValue:
            _check_read(channel, args)
            return read_time(args.dbr, PvType(args.type - DBR_TIME), args.count, scalar=channel.count == args.count == 1)

        return self._run(names, send, receive, timeout)

    def metadata(self, names: Sequence[str], *, timeout: float = 5.0) -> dict[str, PvMetadata | ChannelError]:
        def send(channel: CaChannel, key: int) -> None:
            _request_value(channel, key, metadata_type(channel.type), 1)

        def receive(channel: CaChannel, args: EventArgs) -> PvMetadata:
            _check_read(channel, args)
            writable = bool(libca.load().ca_write_access(channel.chid))
            raw = ctypes.string_at(args.dbr, METADATA_SIZE[channel.type])
            return read_metadata(raw, channel.type, channel.count, writable=writable)

        return self._run(names, send, receive, timeout)

    def put(
        self, values: Mapping[str, PvData], *, timeout: float = 10.0, before: dict[str, PvValue] | None = None
    ) -> dict[str, ChannelError | None]:
        looks = Looks(before) if before is not None else None

        def send(channel: CaChannel, key: int) -> None:
            try:
                wire = encode(values[channel.name], channel.type)
            except ValueError as err:
                raise PutRefused(channel.name, str(err)) from err
            ca = libca.load()
            if not ca.ca_write_access(channel.chid):
                raise PutRefused(channel.name, "no write access")
            if looks is not None:
                _request_value(channel, looks.key(channel), DBR_TIME + channel.type, 1)
            status = ca.ca_array_put_callback(wire.type, wire.count, channel.chid, wire.data, REPLY_HANDLER, key)
            if status != Eca.NORMAL:
                raise _refused(channel, values[channel.name], status)

        def receive(channel: CaChannel, args: EventArgs) -> None:
            if args.status != Eca.NORMAL:
                raise _refused(channel, values[channel.name], args.status)

        try:
            return self._run(values, send, receive, timeout)
        finally:
            if looks is not None:
                looks.end()

    def capture(
        self,
        names: Sequence[str],
        *,
        mask: Mask = Mask.VALUE | Mask.ALARM,
        enum_mask: Mask = Mask.NONE,
        metadata: bool = False,
        capacity: int = 1_000_000,
    ) -> CaCapture:
        ring = open_ring(len(names), capacity, mask, enum_mask, metadata=metadata, native=self._native)
        capture = CaCapture(self._context, names, ring, on_close=self._captures.discard)
        self._captures.add(capture)
        return capture

    def close(self) -> None:
        if self not in _open:
            return
        _open.discard(self)
        for capture in tuple(self._captures):
            capture.close()
        with self._creating, self._context.attached() as ca:
            for channel in self._channels.values():
                ca.ca_clear_channel(channel.chid)
                channel.forget()
            self._channels.clear()
        self._context.close()

    def _run(
        self,
        names: Iterable[str],
        send: Callable[[CaChannel, int], None],
        receive: Callable[[CaChannel, EventArgs], T],
        timeout: float,
    ) -> dict[str, T | ChannelError]:
        channels: list[CaChannel] = []
        bad_names: dict[str, T | ChannelError] = {}
        names = dict.fromkeys(names)
        with self._context.attached() as ca, ExitStack() as stack:
            lent: dict[str, LentChannel] = {}
            for capture in tuple(self._captures):
                lent |= stack.enter_context(capture.lend(ca, names))
            self._context.search.find([name for name in names if name not in lent and name not in self._channels], timeout)
            for name in names:
                try:
                    channels.append(lent[name] if name in lent else self._channel(ca, name))
                except ChannelError as err:
                    bad_names[name] = err
            return Requests(channels, send, receive).run(ca.ca_flush_io, timeout) | bad_names

    def _channel(self, ca: ctypes.CDLL, name: str) -> CaChannel:
        with self._creating:
            channel = self._channels.get(name)
            if channel is None:
                channel = CaChannel(name)
                try:
                    channel.chid = create_channel(ca, name, CONNECTION_HANDLER, channel.key)
                except ChannelError:
                    channel.forget()
                    raise
                self._channels[name] = channel
            return channel


def _request_value(channel: CaChannel, key: int, type_: int, count: int) -> None:
    status = libca.load().ca_array_get_callback(type_, count, channel.chid, REPLY_HANDLER, key)
    if status != Eca.NORMAL:
        raise _unreadable(channel, status)


def _check_read(channel: CaChannel, args: EventArgs) -> None:
    if args.status != Eca.NORMAL or not args.dbr:
        raise _unreadable(channel, args.status)


def _unreadable(channel: CaChannel, status: int) -> ChannelError:
    if status == Eca.DISCONN:
        return NotConnected(channel.name, "connection lost")
    return ChannelError(channel.name, f"cannot be read: {libca.message(status)}")


def _refused(channel: CaChannel, value: PvData, status: int) -> ChannelError:
    if status == Eca.DISCONN:
        return NotConnected(channel.name, "connection lost")
    hint = ""
    if isinstance(value, str) and channel.type is PvType.ENUM:
        hint = ", is it one of its labels?"
    elif isinstance(value, str) and channel.type is not PvType.STRING:
        hint = ", expected a number"
    carried_out = status == Eca.PUTFAIL
    return PutRefused(channel.name, f"refused {value!r}{hint} ({libca.message(status)})", carried_out=carried_out)


def _close_all() -> None:
    # libca's threads must not call back into an interpreter that is going down.
    for channels in tuple(_open):
        channels.close()


atexit.register(_close_all)
