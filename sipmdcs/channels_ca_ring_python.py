"""The ring of a capture on plain ctypes callbacks: works everywhere, costs the interpreter lock and 20 µs an event."""

from __future__ import annotations

import ctypes
import itertools
import threading
import time
from collections.abc import Callable
from math import nan

import numpy as np

from sipmdcs import libca
from sipmdcs.channels import EVENT, Batch, Kind, Mask, PvData, PvMetadata, PvType
from sipmdcs.channels_ca_context import create_channel
from sipmdcs.channels_ca_dbr import DBR_TIME, METADATA_SIZE, metadata_type, read_metadata, read_time
from sipmdcs.channels_ca_ring import PVS_PER_CIRCUIT
from sipmdcs.libca import ConnectionArgs, ConnectionHandler, Eca, EventArgs, EventHandler
from sipmdcs.severity import Severity, Status

_Row = tuple[int, int, float, int, int, int, int, int]


class _Slot:
    """One PV of a ring, found by the number that libca hands back as user pointer."""

    __slots__ = ("chid", "connected", "count", "index", "ring", "subscription", "type")

    def __init__(self, ring: PythonRing, index: int) -> None:
        self.ring = ring
        self.index = index
        self.chid = 0
        self.connected = False
        self.type = -1
        self.count = 0
        self.subscription: int | None = None


_PRIORITIES = 100
"""Of Channel Access; circuits differ by address and priority."""

_slots: dict[int, _Slot] = {}
_keys = itertools.count(1)


class PythonRing:
    """See ``channels_ca_ring.Ring``."""

    def __init__(self, pv_count: int, capacity: int, mask: Mask, enum_mask: Mask, *, metadata: bool = False) -> None:
        self._capacity = capacity
        self._metadata = metadata
        self._mask = int(mask)
        self._enum_mask = int(mask | enum_mask)
        self._changed = threading.Condition()
        self._rows: list[_Row] = []
        self._payloads: list[PvData | PvMetadata] = []
        self._dropped = 0
        self._closed = False
        self._keys = list(itertools.islice(_keys, pv_count))
        self._slots = [_Slot(self, index) for index in range(pv_count)]
        _slots.update(zip(self._keys, self._slots, strict=True))

    def open(self, names: tuple[str, ...]) -> None:
        ca, handler = libca.load(), libca.address(_on_connection)
        for index, name in enumerate(names):
            priority = index // PVS_PER_CIRCUIT % _PRIORITIES
            self._slots[index].chid = create_channel(ca, name, handler, self._keys[index], priority)

    def channel(self, index: int) -> int:
        return self._slots[index].chid

    def drain(self) -> Batch:
        with self._changed:
            rows, self._rows = self._rows, []
            payloads, self._payloads = self._payloads, []
            dropped, self._dropped = self._dropped, 0
        return Batch(np.array(rows, EVENT), payloads, dropped)

    def wait(self, timeout: float) -> bool:
        with self._changed:
            self._changed.wait_for(lambda: self._rows or self._closed, timeout)
            return bool(self._rows) and not self._closed

    def connected(self) -> bytes:
        return bytes(slot.connected for slot in self._slots)

    def close(self) -> None:
        for slot in self._slots:
            if slot.chid:
                libca.load().ca_clear_channel(slot.chid)  # waits for the channel's callbacks to end
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        for key in self._keys:
            del _slots[key]

    def on_connection(self, slot: _Slot, chid: int, *, up: bool) -> None:
        """Note the change and subscribe with the native type; called by libca's threads."""
        slot.connected = up
        now = time.time_ns()
        self._append(lambda _: (now, now, nan, slot.index, 0, 0, 0, Kind.CONNECTED if up else Kind.DISCONNECTED))
        if not up:
            return
        ca = libca.load()
        type_, count = ca.ca_field_type(chid), ca.ca_element_count(chid)
        if slot.subscription is not None and (type_, count) != (slot.type, slot.count):
            ca.ca_clear_subscription(slot.subscription)  # libca would renew it with the old type
            slot.subscription = None
        slot.type, slot.count = type_, count
        if self._metadata and PvType.STRING <= type_ <= PvType.DOUBLE:
            ca.ca_array_get_callback(metadata_type(type_), 1, chid, libca.address(_on_metadata), ca.ca_puser(chid))
        if slot.subscription is None and PvType.STRING <= type_ <= PvType.DOUBLE:
            subscription = ctypes.c_void_p()
            # count 0: as many elements as there are now
            ca.ca_create_subscription(
                DBR_TIME + type_,
                1 if count == 1 else 0,
                chid,
                self._enum_mask if type_ == PvType.ENUM else self._mask,
                libca.address(_on_event),
                ca.ca_puser(chid),
                ctypes.byref(subscription),
            )
            slot.subscription = subscription.value

    def on_event(self, slot: _Slot, args: EventArgs) -> None:
        """Note a value; called by libca's threads."""
        now = time.time_ns()
        if args.status == Eca.DISCONN:
            return  # the connection handler tells
        if args.status != Eca.NORMAL or not args.dbr or args.count < (slot.count == 1):
            status = Status.READ_ACCESS if args.status == Eca.NORDACCESS else Status.READ
            self._append(lambda _: (now, now, nan, slot.index, 0, status, Severity.INVALID, Kind.SCALAR))
            return
        type_ = PvType(args.type - DBR_TIME)
        scalar = slot.count == 1
        reading = read_time(args.dbr, type_, args.count, scalar=scalar)
        if scalar and type_ is not PvType.STRING:
            kind, number, payload = Kind.SCALAR, float(reading.value), None  # type: ignore[arg-type]
        else:
            kind = (Kind.TEXT if scalar else Kind.TEXT_ARRAY) if type_ is PvType.STRING else Kind.ARRAY
            number, payload = nan, reading.value
        self._append(
            lambda place: (reading.time_ns, now, number, slot.index, place, reading.status, reading.severity, kind), payload
        )

    def on_metadata(self, slot: _Slot, args: EventArgs) -> None:
        """Note what a PV says about itself; called by libca's threads."""
        if args.status == Eca.DISCONN:
            return
        now, metadata = time.time_ns(), None
        if args.status == Eca.NORMAL and args.dbr:
            raw = ctypes.string_at(args.dbr, METADATA_SIZE[PvType(slot.type)])
            writable = bool(libca.load().ca_write_access(args.chid))
            metadata = read_metadata(raw, PvType(slot.type), slot.count, writable=writable)
        self._append(lambda place: (now, now, nan, slot.index, place, 0, 0, Kind.METADATA), metadata)

    def _append(self, row: Callable[[int], _Row], payload: PvData | PvMetadata | None = None) -> None:
        with self._changed:
            if self._closed:
                return
            if len(self._rows) >= self._capacity:
                self._dropped += 1
                return
            if payload is not None:
                self._payloads.append(payload)
            self._rows.append(row(0 if payload is None else len(self._payloads)))
            if len(self._rows) == 1:
                self._changed.notify_all()


@ConnectionHandler
def _on_connection(args: ConnectionArgs) -> None:
    slot = _slots.get(libca.load().ca_puser(args.chid))
    if slot is not None:
        slot.ring.on_connection(slot, args.chid, up=args.op == libca.CA_OP_CONN_UP)


@EventHandler
def _on_metadata(args: EventArgs) -> None:
    slot = _slots.get(args.usr)
    if slot is not None:
        slot.ring.on_metadata(slot, args)


@EventHandler
def _on_event(args: EventArgs) -> None:
    slot = _slots.get(args.usr)
    if slot is not None:
        slot.ring.on_event(slot, args)
