"""The capture against EPICS Base, on C callbacks and on ctypes callbacks alike."""

import logging
import math
import threading
import time

import numpy as np
import psutil
import pytest

from sipmdcs import channels_ca, channels_ca_ring_native, channels_ca_ring_python
from sipmdcs.channels import Kind, Mask, PvValue
from sipmdcs.channels_ca import CaChannels
from sipmdcs.errors import NotConnected
from sipmdcs.severity import Severity, Status
from tests.sipmdcs.channels.recording import Recording

COUNTERS = 1_000

DATABASE = """
record(ao, "AO") { field(VAL, "1.5") field(PINI, "YES") field(HIGH, "5") field(HSV, "MINOR")
    field(HIHI, "10") field(HHSV, "MAJOR") field(ADEL, "1") }
record(longout, "LONG") { field(VAL, "2147483647") field(PINI, "YES") }
record(bo, "BO") { field(ZNAM, "Off") field(ONAM, "On") field(VAL, "1") field(PINI, "YES") }
record(mbbo, "MBBO") { field(ZRST, "Low") field(ONST, "High") field(ONVL, "1") field(VAL, "1") field(PINI, "YES") }
record(stringout, "TEXT") { field(VAL, "°C") field(PINI, "YES") }
record(waveform, "DOUBLES") { field(FTVL, "DOUBLE") field(NELM, "2000") }
record(waveform, "FLOATS") { field(FTVL, "FLOAT") field(NELM, "4") }
record(waveform, "SHORTS") { field(FTVL, "SHORT") field(NELM, "4") }
record(waveform, "LONGS") { field(FTVL, "LONG") field(NELM, "4") }
record(waveform, "CHARS") { field(FTVL, "CHAR") field(NELM, "100") }
record(waveform, "TEXTS") { field(FTVL, "STRING") field(NELM, "4") }
record(ao, "NEVER") { }
""" + "".join(f'record(calc, "N{i}") {{ field(CALC, "VAL+1") field(SCAN, ".1 second") }}\n' for i in range(COUNTERS))

FILL = {
    "DOUBLES": [math.pi, -math.inf],
    "FLOATS": np.array([0.1, 1e30], np.float32),
    "SHORTS": [-32768, 32767],
    "LONGS": [-(2**31), 2**31 - 1],
    "CHARS": [0, 127, 255],
    "TEXTS": ["a", "", "long enough to be one of several strings"[:39]],
}


@pytest.fixture(scope="module")
def address(module_ioc) -> str:
    module_ioc.start(DATABASE)
    return module_ioc.address


@pytest.fixture(params=[True, False], ids=["C", "ctypes"])
def pvs(request, address, open_client) -> CaChannels:
    client = open_client(address, native=request.param)
    assert client.put({"AO": 0.0}) == {"AO": None}
    return client


def test_every_type(pvs):
    assert set(pvs.put(FILL).values()) == {None}
    names = ["AO", "AO.DESC", "AO.PREC", "LONG", "BO", "MBBO", "TEXT", *FILL]
    before = time.time_ns()
    with pvs.capture(names) as capture:
        found = Recording(capture).until(lambda r: len(r.events) == 2 * len(names))
        assert capture.names == tuple(names)
        assert capture.connected().all()
    kinds = [found.kinds(pv) for pv in range(len(names))]
    assert all(kind[0] is Kind.CONNECTED for kind in kinds)
    scalar, text, array = Kind.SCALAR, Kind.TEXT, Kind.ARRAY
    assert [kind[1] for kind in kinds] == [scalar, text, *[scalar] * 4, text, *[array] * 5, Kind.TEXT_ARRAY]
    values = [found.values(pv)[0] for pv in range(len(names))]
    assert values[:7] == [0.0, "", 0.0, 2147483647.0, 1.0, 1.0, "°C"]
    for value, expected in zip(values[7:], FILL.values(), strict=True):
        np.testing.assert_array_equal(value, expected)
    dtypes = [value.dtype for value in values if isinstance(value, np.ndarray)]
    assert [dtype.str[1:] for dtype in dtypes] == ["f8", "f4", "i2", "i4", "u1"]
    for event in found.events:
        assert before - 1e9 < event["received_ns"] <= time.time_ns()
        if event["kind"] < Kind.CONNECTED:
            assert event["payload"] > 0 or event["kind"] == Kind.SCALAR


def test_metadata_come_before_the_first_value_and_are_those_that_one_asks_for(pvs):
    names = ["AO", "AO.DESC", "AO.PREC", "LONG", "BO", "MBBO", "TEXT", *FILL]
    with pvs.capture(names, metadata=True) as capture:
        found = Recording(capture).until(lambda r: len(r.events) == 3 * len(names))
    assert all(found.kinds(pv)[:2] == [Kind.CONNECTED, Kind.METADATA] for pv in range(len(names)))
    told = {names[e["pv"]]: data for e, data in zip(found.events, found.data, strict=True) if e["kind"] == Kind.METADATA}
    asked = pvs.metadata(names)
    assert {name: repr(told[name]) for name in names} == {name: repr(asked[name]) for name in names}, "NaN differs from NaN"


def test_what_is_captured_is_asked_on_its_channel_until_that_is_closed(pvs, monkeypatch):
    names, found = ["LONG", "BO", "DOUBLES"], []

    def ask():
        while not closed.is_set():
            found.extend(pvs.get(names).values())

    closed, asking = threading.Event(), threading.Thread(target=ask)
    with pvs.capture(names) as capture:
        Recording(capture).until(lambda r: len(r.events) == 2 * len(names))
        with monkeypatch.context() as patch:
            patch.setattr(channels_ca, "create_channel", None)
            asked = pvs.metadata(names) | pvs.put({"LONG": 7})
            assert pvs.get(["LONG"])["LONG"].value == 7
            asking.start()
            while len(found) < 30:
                time.sleep(0.01)
    count = len(found)
    while len(found) < count + 30:
        time.sleep(0.01)
    closed.set()
    asking.join()
    assert asked["LONG"] is None
    assert asked["BO"].labels == ("Off", "On")
    assert {type(value) for value in found} == {PvValue}


def test_updates_and_alarms(pvs):
    with pvs.capture(["AO"]) as capture:
        found = Recording(capture).until(lambda r: len(r.values(0)) == 1)
        for value in (6.0, 11.0, 4.0):
            pvs.put({"AO": value})
        found.until(lambda r: len(r.values(0)) == 4)
    assert found.values(0)[1:] == [6.0, 11.0, 4.0]
    minor, major = (Severity.MINOR, Status.HIGH), (Severity.MAJOR, Status.HIHI)
    assert found.alarms(0)[1:] == [minor, major, (Severity.NO_ALARM, Status.NO_ALARM)]
    last = found.events[-1]
    assert last["time_ns"] == pvs.get(["AO"])["AO"].time_ns
    assert 0 <= last["received_ns"] - last["time_ns"] < 5e9


def test_arrays_grow_and_shrink(pvs):
    with pvs.capture(["DOUBLES"]) as capture:
        found = Recording(capture).until(lambda r: r.values(0))
        for count in (1, 2000, 3):
            pvs.put({"DOUBLES": np.arange(float(count))})
        found.until(lambda r: len(r.values(0)) == 4)
    assert [len(value) for value in found.values(0)[1:]] == [1, 2000, 3]
    np.testing.assert_array_equal(found.values(0)[2], np.arange(2000.0))


def test_mask(pvs):
    pvs.put({"AO": 4.0})
    with pvs.capture(["AO"], mask=Mask.LOG) as log, pvs.capture(["AO"], mask=Mask.VALUE) as value:
        first = Recording(log).until(lambda r: r.values(0))
        second = Recording(value).until(lambda r: r.values(0))
        pvs.put({"AO": 4.5})  # within ADEL
        pvs.put({"AO": 2.0})
        second.until(lambda r: len(r.values(0)) == 3)
        first.until(lambda r: len(r.values(0)) == 2)
    assert first.values(0) == [4.0, 2.0]
    assert second.values(0) == [4.0, 4.5, 2.0]


def test_enumerations_can_be_followed_more_closely_than_numbers(pvs):
    pvs.put({"AO": 4.0, "MBBO": 0})
    with pvs.capture(["AO", "MBBO"], mask=Mask.ALARM, enum_mask=Mask.VALUE) as capture:
        found = Recording(capture).until(lambda r: r.values(0) and r.values(1))
        for number in (1, 0):  # EPICS Base posts no change of alarm: neither state has a severity
            pvs.put({"AO": 4.0 - number, "MBBO": number})
        found.until(lambda r: len(r.values(1)) == 3)
    assert found.values(0) == [4.0]
    assert found.values(1) == [0.0, 1.0, 0.0]


def test_never_processed(pvs):
    with pvs.capture(["NEVER"]) as capture:
        found = Recording(capture).until(lambda r: r.values(0))
    assert found.alarms(0) == [(Severity.INVALID, Status.UDF)]


def test_absent_and_double_names(pvs):
    with pvs.capture(["AO", "NOWHERE", "AO"]) as capture:
        found = Recording(capture).until(lambda r: r.values(0) and r.values(2))
        assert list(capture.connected()) == [True, False, True]
    assert found.kinds(1) == []


def test_impossible_name(pvs):
    with pytest.raises(NotConnected, match="no possible PV name"):
        pvs.capture(["AO", ""])
    assert pvs.get(["AO"])["AO"].value is not None


def test_no_names(pvs):
    with pvs.capture([]) as capture:
        assert not capture.wait(0.0)
        assert len(capture.drain().events) == 0
        assert len(capture.connected()) == 0


def test_counters_lose_nothing(pvs, request):
    # A client that cannot follow makes EPICS Base skip values: ctypes callbacks on a busy machine follow fewer PVs.
    count = COUNTERS if request.node.callspec.id == "C" else COUNTERS // 10
    batches = []
    with pvs.capture([f"N{index}" for index in range(count)]) as capture:
        deadline = time.monotonic() + 20
        while sum(len(batch.events) for batch in batches) < 15 * count:
            assert time.monotonic() < deadline
            capture.wait(1.0)
            batches.append(capture.drain())
    assert sum(batch.dropped for batch in batches) == 0
    events = np.concatenate([batch.events for batch in batches])
    assert (np.diff(events["received_ns"]) >= 0).all()
    values = events[events["kind"] == Kind.SCALAR]
    for pv in range(count):
        counts = values["value"][values["pv"] == pv]
        assert len(counts) > 5
        assert (np.diff(counts) == 1.0).all()


def test_full_ring_drops_the_newest_and_counts_them(pvs):
    with pvs.capture(["AO"], capacity=5) as capture:
        Recording(capture).until(lambda r: r.values(0))
        with pvs.capture(["AO"]) as other:  # served after the first one
            witness = Recording(other).until(lambda r: r.values(0))
            for value in range(1, 22):
                pvs.put({"AO": float(value)})
            witness.until(lambda r: r.values(0)[-1] == 21.0)
            batch = capture.drain()
            assert list(batch.events["value"]) == [1.0, 2.0, 3.0, 4.0, 5.0]
            assert batch.dropped == 16
            pvs.put({"AO": 7.0})
            witness.until(lambda r: r.values(0)[-1] == 7.0)
            again = capture.drain()
    assert (list(again.events["value"]), again.dropped) == ([7.0], 0)


def test_wait(pvs):
    with pvs.capture(["AO"]) as capture:
        Recording(capture).until(lambda r: r.values(0))
        assert not capture.wait(0.01)
        pvs.put({"AO": 2.5})
        assert capture.wait(5.0)
        assert capture.wait(0.0), "still something to drain"
        capture.drain()
        assert not capture.wait(0.0)
        started = time.process_time()
        assert not capture.wait(0.5)
        assert time.process_time() - started < 0.05, "waiting costs nothing"


def test_close_ends_a_wait(pvs):
    capture = pvs.capture(["NOWHERE"])
    results: list[bool] = []
    waiting = threading.Thread(target=lambda: results.append(capture.wait(30.0)))
    waiting.start()
    capture.close()
    waiting.join(5.0)
    assert results == [False]
    capture.close()
    assert not capture.wait(1.0)
    assert len(capture.drain().events) == 0


def test_batches_outlive_the_capture(pvs):
    pvs.put({"TEXTS": ["x", "y"], "SHORTS": [1, 2]})
    with pvs.capture(["TEXTS", "SHORTS", "AO"]) as capture:
        Recording(capture).until(lambda r: len(r.events) == 6)
        with pvs.capture(["AO"]) as other:
            witness = Recording(other).until(lambda r: r.values(0))
            pvs.put({"TEXTS": ["z"], "SHORTS": [3], "AO": 8.5})
            witness.until(lambda r: r.values(0)[-1] == 8.5)
        batch = capture.drain()
        for value in range(100):
            pvs.put({"AO": float(value)})
            capture.drain()
    pvs.close()
    assert len(batch.payloads) == 2
    assert [list(payload) for payload in batch.payloads] == [["z"], [3]]
    assert batch.payloads[:1] == [["z"]]
    assert batch.data(2) == 8.5


def test_many_captures(pvs):
    captures = [pvs.capture(["AO", f"N{index}"]) for index in range(20)]
    recordings = [Recording(capture).until(lambda r: len(r.values(1)) > 2) for capture in captures]
    pvs.close()
    assert all(recording.values(0) for recording in recordings)


def test_so_many_pvs_of_a_server_have_several_circuits(pvs, monkeypatch, module_ioc):
    """EPICS Base goes through all monitors of a circuit whenever one is added."""
    for ring in (channels_ca_ring_native, channels_ca_ring_python):
        monkeypatch.setattr(ring, "PVS_PER_CIRCUIT", 300)

    def circuits() -> int:
        connections = psutil.Process().net_connections("tcp")
        return sum(c.status == "ESTABLISHED" and c.raddr.port == module_ioc.port for c in connections)

    names = [f"N{index}" for index in range(COUNTERS)]
    before = circuits()
    with pvs.capture(names) as capture:
        Recording(capture).until(lambda r: all(r.values(pv) for pv in range(COUNTERS)))
        assert circuits() == before + 3, "the first is shared with requests"
        assert all(isinstance(value, PvValue) for value in pvs.get(names).values())
    while circuits() > before:
        time.sleep(0.01)


def test_says_what_runs(address, open_client, caplog):
    caplog.set_level(logging.INFO, "sipmdcs")
    for native in (True, False):
        open_client(address, native=native).capture(["AO"]).close()
    lines = [record.getMessage() for record in caplog.records if "runs on" in record.getMessage()]
    assert lines == ["capture of 1 PVs runs on the C extension", "capture of 1 PVs runs on ctypes callbacks"]
