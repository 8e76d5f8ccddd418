"""Monitors: each change is encoded once per type and length, however many clients asked for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from iocs.records.events import ALARM, LOG, PROPERTY, VALUE
from iocs.records.record import LiveRecord
from iocs.server_channel import Channel
from iocs.server_dbr import Encoder, encoder
from iocs.server_requests import message_header

if TYPE_CHECKING:
    from iocs.server_circuit import Circuit

EVENT_ADD = 1
ECA_NORMAL = 1
ECA_GETFAIL = 152
ECA_NORDACCESS = 368
"""Status codes of Channel Access (``caerr.h``)."""

EVENT_BITS = VALUE | LOG | ALARM | PROPERTY
"""What a client can ask for; further bits of its mask mean nothing."""


class Subscription:
    """One client's wish to be told of one channel."""

    __slots__ = (
        "circuit",
        "count",
        "dbr",
        "group",
        "header",
        "header_length",
        "header_size",
        "identifier",
        "mask",
        "older",
        "readable",
        "sid",
    )

    def __init__(self, circuit: Circuit, sid: int, identifier: int, dbr: int, count: int, mask: int) -> None:
        self.circuit = circuit
        self.sid = sid
        self.identifier = identifier
        self.dbr = dbr
        self.count = count
        self.mask = mask
        self.readable = True
        self.older: Subscription | None = None
        """One to the same channel that the client gave the same number before."""
        self.group: Group
        self.header = b""
        self.header_size = self.header_length = -1

    def event(self, payload: bytes, length: int, status: int = ECA_NORMAL) -> bytes:
        """The message that carries ``payload`` to this client."""
        if status != ECA_NORMAL:
            return message_header(EVENT_ADD, len(payload), self.dbr, length, status, self.identifier) + payload
        if len(payload) != self.header_size or length != self.header_length:
            self.header_size, self.header_length = len(payload), length
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


Key = tuple[int, int, bool]
"""Type, count, and whether it is text as an array of characters."""


class Group:
    """Subscriptions that get the same bytes: one field, type and count."""

    __slots__ = ("encode", "field", "key", "mask", "subscriptions")

    def __init__(self, channel: Channel, key: Key) -> None:
        self.field = channel.field.name
        self.key = key
        self.encode: Encoder = encoder(channel, key[0], key[1])
        self.mask = 0
        """All that any of them wants, or once wanted."""
        self.subscriptions: dict[Subscription, None] = {}
        """In the order they were added."""

    def send(self, mask: int) -> None:
        """Send the present value to all who want to be told of one of the bits of ``mask``."""
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
        self.fields: dict[str, dict[Key, Group]] = {}

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
        group = groups[key] = Group(channel, key)
    subscription.group = group
    group.subscriptions[subscription] = None
    group.mask |= subscription.mask


def unwatch(record: LiveRecord, subscription: Subscription) -> None:
    """Stop telling; what nobody watches any more is forgotten."""
    watchers = record.listener
    group = subscription.group
    del group.subscriptions[subscription]
    if group.subscriptions or not isinstance(watchers, Watchers):
        return
    groups = watchers.fields[group.field]
    del groups[group.key]
    if not groups:
        del watchers.fields[group.field]
    if not watchers.fields:
        record.listener = None
