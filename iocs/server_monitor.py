"""Monitors: each change is encoded once per type and length, however many clients asked for it."""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING

from iocs.records.record import LiveRecord
from iocs.server_channel import Channel
from iocs.server_dbr import Encoder, encoder

if TYPE_CHECKING:
    from iocs.server_circuit import Circuit

EVENT_ADD = 1
ECA_NORMAL = 1
ECA_GETFAIL = 152
ECA_NORDACCESS = 368
"""Status codes of Channel Access (``caerr.h``)."""

_HEADER = Struct(">HHHHII")
_LONG_HEADER = Struct(">HHHHIIII")
MAX_SHORT = 0xFFFF


def message_header(command: int, size: int, dbr: int, count: int, first: int, second: int) -> bytes:
    """Header of a message, in the long form where payload or count need it (protocol 4.9)."""
    if size < MAX_SHORT and count < MAX_SHORT:
        return _HEADER.pack(command, size, dbr, count, first, second)
    return _LONG_HEADER.pack(command, MAX_SHORT, dbr, 0, first, second, size, count)


class Subscription:
    """One client's wish to be told of one channel."""

    __slots__ = ("circuit", "count", "dbr", "group", "header", "header_key", "identifier", "mask", "readable", "sid")

    def __init__(self, circuit: Circuit, sid: int, identifier: int, dbr: int, count: int, mask: int) -> None:
        self.circuit = circuit
        self.sid = sid
        self.identifier = identifier
        self.dbr = dbr
        self.count = count
        self.mask = mask
        self.readable = True
        self.group: Group
        self.header = b""
        self.header_key = (-1, -1)

    def event(self, payload: bytes, length: int, status: int = ECA_NORMAL) -> bytes:
        """The message that carries ``payload`` to this client."""
        if status != ECA_NORMAL:
            return message_header(EVENT_ADD, len(payload), self.dbr, length, status, self.identifier) + payload
        if self.header_key != (len(payload), length):
            self.header_key = (len(payload), length)
            self.header = message_header(EVENT_ADD, len(payload), self.dbr, length, status, self.identifier)
        return self.header + payload

    def now(self) -> bytes:
        """The message with the present value, or why there is none."""
        if not self.readable:
            return self.event(bytes(self.count * 8 or 8), self.count, ECA_NORDACCESS)
        try:
            payload, length = self.group.encode()
        except ValueError:
            return self.event(bytes(8), self.count, ECA_GETFAIL)
        return self.event(payload, length)


class Group:
    """Subscriptions that get the same bytes: one channel, type and count."""

    __slots__ = ("encode", "mask", "subscriptions")

    def __init__(self, channel: Channel, dbr: int, count: int) -> None:
        self.encode: Encoder = encoder(channel, dbr, count)
        self.mask = 0
        self.subscriptions: list[Subscription] = []

    def update_mask(self) -> None:
        self.mask = 0
        for subscription in self.subscriptions:
            self.mask |= subscription.mask

    def send(self, mask: int) -> None:
        """Tell those who asked for one of the bits of ``mask``."""
        payload: bytes | None = None
        length = 0
        for subscription in self.subscriptions:
            if not subscription.mask & mask or not subscription.readable:
                continue
            circuit = subscription.circuit
            if circuit.is_held_up:
                circuit.stale[subscription] = None
                continue
            if payload is None:
                try:
                    payload, length = self.encode()
                except ValueError:
                    circuit.write(subscription.now())
                    continue
            circuit.write(subscription.event(payload, length))


class Watchers:
    """Who watches which field of one record; the record posts its changes here."""

    __slots__ = ("fields",)

    def __init__(self) -> None:
        self.fields: dict[str, dict[tuple[int, int, bool], Group]] = {}

    def posted(self, field: str, mask: int) -> None:
        groups = self.fields.get(field)
        if groups:
            for group in groups.values():
                if group.mask & mask:
                    group.send(mask)

    def posted_all(self, mask: int) -> None:
        for field in self.fields:
            self.posted(field, mask)


def watch(channel: Channel, subscription: Subscription) -> None:
    """From now on tell ``subscription`` of changes of ``channel``."""
    record = channel.record
    if not isinstance(record.listener, Watchers):
        record.listener = Watchers()
    groups = record.listener.fields.setdefault(channel.field.name, {})
    key = (subscription.dbr, subscription.count, channel.long_string)
    group = groups.get(key)
    if group is None:
        group = groups[key] = Group(channel, subscription.dbr, subscription.count)
    subscription.group = group
    group.subscriptions.append(subscription)
    group.update_mask()


def unwatch(record: LiveRecord, subscription: Subscription) -> None:
    """Stop telling; what nobody watches any more is forgotten."""
    watchers = record.listener
    group = subscription.group
    group.subscriptions.remove(subscription)
    group.update_mask()
    if group.subscriptions or not isinstance(watchers, Watchers):
        return
    for field, groups in list(watchers.fields.items()):
        for key in [key for key, other in groups.items() if other is group]:
            del groups[key]
        if not groups:
            del watchers.fields[field]
    if not watchers.fields:
        record.listener = None
