"""The C extension alone, called as libca would call it: from several threads at once, with everything libca can bring."""

import ctypes
import struct
import threading
from collections import Counter
from collections.abc import Iterator
from ctypes import CFUNCTYPE, POINTER, c_char_p, c_int, c_long, c_short, c_uint, c_ulong, c_void_p
from typing import Any

import numpy as np
import pytest

from sipmdcs import libca
from sipmdcs.channels import EVENT, Batch, Kind, PvMetadata, PvType
from sipmdcs.channels_ca_dbr import DBR_TIME, DTYPES, TIME_VALUE_OFFSET
from sipmdcs.channels_ca_ring_native import ENTRY, Payloads, bind
from sipmdcs.libca import CA_OP_CONN_UP, ConnectionArgs, ConnectionHandler, Eca, EventArgs, EventHandler

_capture = pytest.importorskip("sipmdcs._capture")

CA_OP_CONN_DOWN = 7
ECA_BADSTR = 186
DBR_CTRL_DOUBLE = 34


class World:
    """Stands in for libca: channel identifiers are slot addresses."""

    def __init__(self) -> None:
        self.types: dict[int, tuple[PvType, int]] = {}
        self.calls: list[tuple[object, ...]] = []
        self.channels: dict[int, tuple[bytes, int]] = {}
        """Name and priority of each channel that is not cleared."""
        self._functions = (
            CFUNCTYPE(c_void_p, c_void_p)(lambda chid: chid),
            CFUNCTYPE(c_short, c_void_p)(lambda chid: self.types[chid][0]),
            CFUNCTYPE(c_ulong, c_void_p)(lambda chid: self.types[chid][1]),
            CFUNCTYPE(c_int, c_long, c_ulong, c_void_p, c_long, c_void_p, c_void_p, POINTER(c_void_p))(self._subscribe),
            CFUNCTYPE(c_int, c_void_p)(self._clear),
            CFUNCTYPE(c_int, c_long, c_ulong, c_void_p, c_void_p, c_void_p)(self._get),
            CFUNCTYPE(c_uint, c_void_p)(lambda _chid: 1),
            CFUNCTYPE(c_int, c_char_p, c_void_p, c_void_p, c_uint, POINTER(c_void_p))(self._create),
            CFUNCTYPE(c_int, c_void_p)(self._clear_channel),
        )
        on_connection, on_event = _capture.bind(*(libca.address(function) for function in self._functions))
        self._connection = ConnectionHandler(on_connection)
        self._event = EventHandler(on_event)

    def _create(self, name, _handler, user, priority, chid) -> int:
        if b" " in name:
            return ECA_BADSTR
        self.channels[user] = name, priority
        chid[0] = user
        return Eca.NORMAL

    def _clear_channel(self, chid) -> int:
        del self.channels[chid]
        return Eca.NORMAL

    def connect(self, chid: int, type_: PvType, count: int) -> None:
        self.types[chid] = type_, count
        self._connection(ConnectionArgs(chid, CA_OP_CONN_UP))

    def disconnect(self, chid: int) -> None:
        self._connection(ConnectionArgs(chid, CA_OP_CONN_DOWN))

    def event(self, chid: int, type_: PvType, payload: bytes, status: int = Eca.NORMAL) -> None:
        head = struct.pack("=hhII", 3, 2, 1000, 5)
        dbr = head + bytes(TIME_VALUE_OFFSET[type_] - len(head)) + payload
        count = len(payload) // DTYPES[type_].itemsize
        buffer = ctypes.create_string_buffer(dbr, len(dbr))  # not a byte longer: a reader past the end is found out
        address = ctypes.addressof(buffer) if status == Eca.NORMAL else None
        self._event(EventArgs(chid, chid, DBR_TIME + type_, count, address, status))

    def _subscribe(self, type_, count, chid, mask, callback, user, subscription) -> int:
        self.calls.append(("subscribe", type_ - DBR_TIME, count, mask))
        assert chid == user
        subscription[0] = len(self.calls)
        return Eca.NORMAL

    def _get(self, type_, count, chid, callback, user) -> int:
        self.calls.append(("get", type_, count))
        assert chid == user
        self._metadata = EventHandler(callback)
        return Eca.NORMAL

    def metadata(self, chid: int, type_: int, count: int, payload: bytes, status: int = Eca.NORMAL) -> None:
        """The answer to the last get."""
        buffer = ctypes.create_string_buffer(payload, len(payload))
        self._metadata(EventArgs(chid, chid, type_, count, ctypes.addressof(buffer), status))

    def _clear(self, subscription) -> int:
        self.calls.append(("clear", subscription))
        return Eca.NORMAL


@pytest.fixture
def world() -> Iterator[World]:
    yield World()
    bind.cache_clear()
    bind()


def opened(*arguments, **keywords) -> Any:
    ring = _capture.Ring(*arguments, **keywords)
    pv_count = arguments[0]
    assert ring.open(tuple(f"PV{index}" for index in range(pv_count)), 10) == (pv_count, Eca.NORMAL)
    return ring


def drain(ring) -> Batch:
    events, entries, data, dropped = ring.drain()
    memory = [memoryview(block) for block in (events, entries)]
    rows, table = (np.frombuffer(m, t) if m.nbytes else np.empty(0, t) for m, t in zip(memory, (EVENT, ENTRY), strict=True))
    return Batch(rows, Payloads(table, data), dropped)


def test_metadata_come_before_values_and_only_from_an_answer_of_their_type(world):
    """A server may answer with anything; what is too short must not be read past its end."""
    ring = opened(1, 100, 10_000, 5, metadata=True)
    chid = ring.channel(0)
    world.connect(chid, PvType.DOUBLE, 1)
    assert world.calls == [("get", DBR_CTRL_DOUBLE, 1), ("subscribe", PvType.DOUBLE, 1, 5)]
    limits = np.arange(1.0, 9.0)
    whole = struct.pack("=hhhH8s", 0, 0, 3, 0, b"uA") + limits.tobytes() + bytes(8)
    world.metadata(chid, DBR_CTRL_DOUBLE, 1, whole)
    world.metadata(chid, DBR_CTRL_DOUBLE, 0, b"")
    world.metadata(chid, DBR_CTRL_DOUBLE - 1, 1, b"short")
    world.metadata(chid, DBR_CTRL_DOUBLE, 1, whole, status=Eca.TIMEOUT)
    world.metadata(chid, DBR_CTRL_DOUBLE, 1, whole, status=Eca.DISCONN)
    batch = drain(ring)
    assert list(batch.events["kind"]) == [Kind.CONNECTED, *[Kind.METADATA] * 4]
    told = batch.payloads[int(batch.events["payload"][1]) - 1]
    assert isinstance(told, PvMetadata)
    assert (told.type, told.count, told.units, told.precision, told.writable) == (PvType.DOUBLE, 1, "uA", 3, True)
    assert not batch.events["payload"][2:].any()
    ring.close()


@pytest.mark.parametrize(
    ("type_", "numbers"),
    [
        (PvType.SHORT, [-32768, 32767]),
        (PvType.FLOAT, [0.5, -1e30]),
        (PvType.ENUM, [0, 65535]),
        (PvType.CHAR, [0, 255]),
        (PvType.LONG, [-(2**31), 2**31 - 1]),
        (PvType.DOUBLE, [np.pi, -np.inf]),
    ],
)
def test_numbers_are_exact(world, type_, numbers):
    ring = opened(2, 100, 1000, 5)
    scalar, array = ring.channel(0), ring.channel(1)
    world.connect(scalar, type_, 1)
    world.connect(array, type_, 10)
    values = np.array(numbers, DTYPES[type_])
    for value in values:
        world.event(scalar, type_, value.tobytes())
    world.event(array, type_, values.tobytes())
    world.event(array, type_, b"")
    batch = drain(ring)
    assert list(batch.events["value"][2:4]) == [float(value) for value in values]
    full, empty = batch.data(4), batch.data(5)
    assert isinstance(full, np.ndarray)
    np.testing.assert_array_equal(full, values)
    assert full.dtype == DTYPES[type_]
    assert isinstance(empty, np.ndarray)
    assert len(empty) == 0
    assert list(batch.events["kind"]) == [Kind.CONNECTED] * 2 + [Kind.SCALAR] * 2 + [Kind.ARRAY] * 2
    assert set(batch.events["time_ns"][2:]) == {(1000 + 631_152_000) * 10**9 + 5}
    assert set(zip(batch.events["severity"][2:], batch.events["status"][2:], strict=True)) == {(2, 3)}
    ring.close()


def test_subscriptions_follow_type_and_count(world):
    ring = opened(1, 100, 1000, 5)
    chid = ring.channel(0)
    for type_, count in [(PvType.DOUBLE, 1), (PvType.DOUBLE, 1), (PvType.STRING, 1), (PvType.STRING, 9), (PvType.STRING, 9)]:
        world.connect(chid, type_, count)
        assert ring.connected() == b"\1"
        world.disconnect(chid)
        assert ring.connected() == b"\0"
    assert world.calls == [
        ("subscribe", PvType.DOUBLE, 1, 5),
        ("clear", 1),
        ("subscribe", PvType.STRING, 1, 5),
        ("clear", 3),
        ("subscribe", PvType.STRING, 0, 5),
    ]
    ring.close()


@pytest.mark.parametrize(
    ("status", "expected"), [(Eca.NORDACCESS, [20]), (152, [1]), (Eca.DISCONN, [])], ids=["no access", "get failed", "gone"]
)
def test_bad_events(world, status, expected):
    ring = opened(1, 100, 1000, 5)
    world.connect(ring.channel(0), PvType.DOUBLE, 1)
    world.event(ring.channel(0), PvType.DOUBLE, b"", status)
    events = drain(ring).events[1:]
    assert list(events["status"]) == expected
    assert (events["severity"] == 3).all()
    assert np.isnan(events["value"]).all()
    ring.close()


def test_payloads_are_bounded(world):
    ring = opened(1, 100, 256, 5)
    world.connect(ring.channel(0), PvType.CHAR, 10_000)
    world.event(ring.channel(0), PvType.CHAR, bytes(10_000))  # one always fits
    world.event(ring.channel(0), PvType.CHAR, bytes(1))
    batch = drain(ring)
    assert (len(batch.events), batch.dropped, len(batch.payloads)) == (2, 1, 1)
    for _ in range(50):
        world.event(ring.channel(0), PvType.CHAR, bytes(16))
    batch = drain(ring)
    assert (len(batch.events), batch.dropped) == (16, 34)
    ring.close()


def test_closed_ring_takes_nothing(world):
    ring = opened(1, 100, 100, 5)
    chid = ring.channel(0)
    ring.close()
    world.connect(chid, PvType.DOUBLE, 1)
    assert len(drain(ring).events) == 0
    assert not ring.wait(0.0)


@pytest.mark.parametrize("arguments", [(1, 0, 1, 5), (1, 1, 0, 5), (1, 2**32, 1, 5), (1, -1, 1, 5)])
def test_bad_arguments(arguments):
    with pytest.raises(ValueError, match="must be positive"):
        _capture.Ring(*arguments)


def test_no_such_pv(world):
    ring = opened(2, 1, 1, 5)
    for index in (2, 2**40):
        with pytest.raises(IndexError):
            ring.channel(index)
    ring.close()


def test_so_many_pvs_of_a_circuit_and_all_channels_are_cleared(world):
    ring = _capture.Ring(2003, 1, 1, 5)
    names = tuple(f"PV{index}" for index in range(2003))
    assert ring.open(names, 20) == (2003, Eca.NORMAL)
    assert list(world.channels.values()) == [(name.encode(), index // 20 % 100) for index, name in enumerate(names)]
    assert [ring.channel(index) for index in range(2003)] == list(world.channels)
    ring.close()
    ring.close()
    assert not world.channels
    with pytest.raises(ValueError, match="open ring"):
        ring.open(names, 20)


def test_an_impossible_name_is_the_last_that_is_looked_at(world):
    ring = _capture.Ring(3, 1, 1, 5)
    assert ring.open(("A", "B C", "D"), 10) == (1, ECA_BADSTR)
    assert [name for name, _ in world.channels.values()] == [b"A"]
    ring.close()
    assert not world.channels


@pytest.mark.parametrize("arguments", [(("A",), 10), (("A", "B"), 0), (("A", "B", "C"), 10)])
def test_open_takes_a_name_for_each_pv(world, arguments):
    ring = _capture.Ring(2, 1, 1, 5)
    with pytest.raises(ValueError, match="expected a name for each PV"):
        ring.open(*arguments)
    for other in (["A", "B"], ("A", 5), ("A", "\ud800")):
        with pytest.raises((TypeError, UnicodeEncodeError)):
            ring.open(other, 10)
    assert not world.channels
    ring.close()


def test_many_threads(world):
    """Writers race with drains, with batches that live on, and with a ring that is too small at times."""
    writers, rounds, capacity = 4, 10_000, 700
    ring = opened(writers, capacity, 200_000, 5)
    for writer in range(writers):
        world.connect(ring.channel(writer), PvType.STRING if writer % 2 else PvType.LONG, 1 + writer // 2 * 99)
    drain(ring)

    def write(writer: int) -> None:
        for count in range(rounds):
            match writer:
                case 0:
                    world.event(ring.channel(0), PvType.LONG, struct.pack("=i", count))
                case 1:
                    world.event(ring.channel(1), PvType.STRING, f"{count}".encode().ljust(40, b"\0"))
                case 2:
                    world.event(ring.channel(2), PvType.LONG, struct.pack("=i", count) * (count % 9))
                case _:
                    world.event(ring.channel(3), PvType.STRING, f"{count}".encode().ljust(40, b"\0") * (count % 3))

    threads = [threading.Thread(target=write, args=(writer,)) for writer in range(writers)]
    for thread in threads:
        thread.start()
    batches = []
    while any(thread.is_alive() for thread in threads):
        ring.wait(0.01)
        batches.append(drain(ring))
    batches.append(drain(ring))
    ring.close()
    assert sum(len(batch.events) + batch.dropped for batch in batches) == writers * rounds
    seen: Counter[int] = Counter()
    last = [-1] * writers
    for batch in batches:
        assert len(batch.events) <= capacity
        for index, event in enumerate(batch.events):
            value, pv = batch.data(index), int(event["pv"])
            seen[pv] += 1
            match pv:
                case 0 | 1:
                    count = int(value)
                case 2:
                    assert len(set(value.tolist())) <= 1
                    count = int(value[0]) if len(value) else None
                case _:
                    assert len(set(value)) <= 1
                    count = int(value[0]) if value else None
            if count is not None:
                assert count > last[pv]
                last[pv] = count
    assert len(seen) == writers
