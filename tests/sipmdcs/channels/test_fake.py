"""The double behaves as the real client does where a test could tell."""

import math
import threading

import numpy as np
import pytest

from sipmdcs.channels import Kind, PvMetadata, PvType, PvValue
from sipmdcs.channels_fake import FakeChannels
from sipmdcs.clock import ManualClock
from sipmdcs.errors import ChannelTimeout, NotConnected, PutRefused
from sipmdcs.severity import Severity, Status
from tests.sipmdcs.channels.recording import Recording


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def pvs(clock) -> FakeChannels:
    pvs = FakeChannels(clock)
    pvs.add("BIAS", 54.0, units="V", precision=3, control=(0.0, 60.0))
    pvs.add("COUNT", 3)
    pvs.add("STATE", 0, labels=("Off", "On"))
    pvs.add("NAME", "HV1")
    pvs.add("MAP", np.zeros(16))
    pvs.add("FIXED", 1.0, writable=False)
    return pvs


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("BIAS", 55, 55.0),
        ("BIAS", "55.5", 55.5),
        ("BIAS", 99.0, 60.0),
        ("BIAS", -1.0, 0.0),
        ("COUNT", 7, 7),
        ("STATE", "On", 1),
        ("STATE", 1, 1),
        ("NAME", "HV2", "HV2"),
        ("NAME", 1.5, "1.5"),
    ],
)
def test_put_and_get(pvs, name, value, expected):
    assert pvs.put({name: value}) == {name: None}
    got = pvs.get([name])[name]
    assert got.value == expected
    assert type(got.value) is type(expected)
    assert pvs.puts == [(name, expected)]


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("BIAS", "abc", "BIAS: refused 'abc', expected a number"),
        ("COUNT", "abc", "COUNT: refused 'abc', expected a number"),
        ("COUNT", 2**31, "COUNT: 2147483648 does not fit a 32-bit integer (-2147483648 to 2147483647)"),
        ("STATE", "Maybe", "STATE: refused 'Maybe', is it one of its labels?"),
        ("STATE", 2, "STATE: refused 2, is it one of its labels?"),
        ("MAP", [1.0] * 17, "MAP: refused 17 elements, expected at most 16"),
        ("FIXED", 2.0, "FIXED: no write access"),
        ("NAME", "x" * 40, f"NAME: '{'x' * 40}' is longer than the 39 bytes a string holds"),
    ],
)
def test_put_refused(pvs, name, value, reason):
    (error,) = pvs.put({name: value}).values()
    assert isinstance(error, PutRefused)
    assert str(error) == reason
    assert pvs.puts == []


def test_refuse_and_relent(pvs):
    pvs.refuse("BIAS", "channel is tripped")
    (error,) = pvs.put({"BIAS": 1.0}).values()
    assert str(error) == "BIAS: channel is tripped"
    assert not pvs.metadata(["BIAS"])["BIAS"].writable
    pvs.refuse("BIAS", None)
    assert pvs.put({"BIAS": 1.0}) == {"BIAS": None}


def test_delay(pvs):
    pvs.delay("BIAS", 3.0)
    assert isinstance(pvs.get(["BIAS"], timeout=2.0)["BIAS"], ChannelTimeout)
    assert isinstance(pvs.get(["BIAS"], timeout=4.0)["BIAS"], PvValue)
    (error,) = pvs.put({"BIAS": 1.0}, timeout=2.0).values()
    assert str(error) == "BIAS: no reply within 2 s"


def test_absent(pvs):
    pvs.disconnect("BIAS")
    for found in (pvs.get(["BIAS", "NOWHERE"], timeout=1.0), pvs.metadata(["BIAS", "NOWHERE"], timeout=1.0)):
        assert all(isinstance(error, NotConnected) for error in found.values())
    assert str(pvs.put({"NOWHERE": 1}, timeout=1.0)["NOWHERE"]) == "NOWHERE: not connected within 1 s"


def test_a_put_can_have_effects(pvs):
    pvs.add("BIAS_RBV", 0.0)
    pvs.on_put("BIAS", lambda value: pvs.set("BIAS_RBV", value))
    pvs.put({"BIAS": 42.0})
    assert pvs.value("BIAS_RBV") == 42.0


def test_metadata(pvs):
    assert pvs.metadata(["BIAS", "STATE", "MAP"]) == {
        "BIAS": PvMetadata(PvType.DOUBLE, 1, "V", 3, control=(0.0, 60.0)),
        "STATE": PvMetadata(PvType.ENUM, 1, labels=("Off", "On")),
        "MAP": PvMetadata(PvType.DOUBLE, 16),
    }


def test_capture(pvs, clock):
    capture = pvs.capture(["BIAS", "LATER", "NAME", "MAP"])
    found = Recording(capture).until(lambda r: len(r.events) == 6)
    clock.advance(1.0)
    pvs.set("BIAS", 57.0, severity=Severity.MAJOR, status=Status.HIHI)
    pvs.add("LATER", 5)
    pvs.disconnect("BIAS")
    pvs.set("BIAS", 58.0)
    pvs.connect("BIAS")
    found.until(lambda r: len(r.events) == 12)
    kinds = [Kind.CONNECTED, Kind.SCALAR]
    assert found.kinds(0) == [*kinds, Kind.SCALAR, Kind.DISCONNECTED, *kinds]
    assert found.values(0) == [54.0, 57.0, 58.0]
    assert found.alarms(0)[1] == (Severity.MAJOR, Status.HIHI)
    assert (found.kinds(1), found.values(1)) == (kinds, [5.0])
    assert (found.kinds(2), found.values(2)) == ([Kind.CONNECTED, Kind.TEXT], ["HV1"])
    assert found.kinds(3) == [Kind.CONNECTED, Kind.ARRAY]
    assert math.isnan(found.events[0]["value"])
    assert capture.connected().all()


def test_replaced_pv(pvs):
    capture = pvs.capture(["BIAS"])
    pvs.add("BIAS", "now a text")
    assert Recording(capture).until(lambda r: len(r.values(0)) == 2).values(0) == [54.0, "now a text"]


def test_full_capture_drops_the_newest(pvs):
    capture = pvs.capture(["BIAS"], capacity=3)
    for value in (1.0, 2.0, 3.0):
        pvs.set("BIAS", value)
    batch = capture.drain()
    assert (list(batch.events["value"][1:]), batch.dropped) == ([54.0, 1.0], 2)


def test_wait_from_another_thread(pvs):
    capture = pvs.capture(["NOWHERE"])
    assert not capture.wait(0.0)
    results: list[bool] = []
    waiting = threading.Thread(target=lambda: results.append(capture.wait(30.0)))
    waiting.start()
    pvs.add("NOWHERE", 1.0)
    waiting.join(5.0)
    assert results == [True]
    pvs.close()
    assert not capture.wait(30.0)
