"""Get, put and metadata against EPICS Base: every type, every refusal, thousands at once, from many threads."""

import asyncio
import math
import time
from collections.abc import Iterator

import numpy as np
import pytest

from sipmdcs.channels import PvType, PvValue
from sipmdcs.channels_ca import CaChannels
from sipmdcs.errors import ChannelError, ChannelTimeout, NotConnected, PutRefused, ServiceError
from sipmdcs.severity import Severity, Status

COUNT = 2_000

DATABASE = """
record(ai, "AI") { field(VAL, "1.5") field(PINI, "YES") field(EGU, "mV") field(PREC, "3") field(HOPR, "100") field(LOPR, "-1")
    field(HIHI, "10") field(HHSV, "MAJOR") field(HIGH, "5") field(HSV, "MINOR") field(LOW, "-5") }
record(ao, "AO") { field(DRVH, "5") field(DRVL, "-5") field(HIGH, "4") field(HSV, "MINOR") field(PINI, "YES") }
record(longout, "LONG") { field(HIHI, "10") field(HHSV, "MAJOR") field(PINI, "YES") }
record(bo, "BO") { field(ZNAM, "Off") field(ONAM, "On") field(PINI, "YES") }
record(mbbo, "MBBO") { field(ZRST, "Low") field(ONST, "Mid") field(TWST, "High") field(ONVL, "1") field(TWVL, "2")
    field(PINI, "YES") }
record(stringout, "TEXT") { field(VAL, "hello") field(PINI, "YES") }
record(waveform, "DOUBLES") { field(FTVL, "DOUBLE") field(NELM, "2000") }
record(waveform, "FLOATS") { field(FTVL, "FLOAT") field(NELM, "5") }
record(waveform, "SHORTS") { field(FTVL, "SHORT") field(NELM, "5") }
record(waveform, "CHARS") { field(FTVL, "CHAR") field(NELM, "100") }
record(waveform, "TEXTS") { field(FTVL, "STRING") field(NELM, "4") }
record(ao, "DISABLED") { field(DISP, "1") }
record(bo, "SLOW") { field(OUT, "SLOW_DELAY.A CA") field(FLNK, "SLOW_DELAY") }
record(calcout, "SLOW_DELAY") { field(ODLY, "3") field(CALC, "1") }
""" + "".join(f'record(ao, "MANY{index}") {{ field(PINI, "YES") }}\n' for index in range(COUNT))


@pytest.fixture(scope="module")
def address(module_ioc) -> str:
    module_ioc.start(DATABASE)
    return module_ioc.address


@pytest.fixture(scope="module")
def pvs(address) -> Iterator[CaChannels]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EPICS_CA_ADDR_LIST", address)
        patch.setenv("EPICS_CA_AUTO_ADDR_LIST", "NO")
        client = CaChannels()
        yield client  # libca reads the environment for its first channel
        client.close()


def reading(pvs: CaChannels, name: str) -> PvValue:
    value = pvs.get([name])[name]
    assert isinstance(value, PvValue), value
    return value


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("AO", 2.25, 2.25),
        ("AO", 3, 3.0),
        ("AO", "1.5", 1.5),  # EPICS Base reads numbers
        ("LONG", -7, -7),
        ("LONG", True, 1),
        ("BO", "On", 1),
        ("BO", 0, 0),
        ("MBBO", "High", 2),
        ("MBBO", 1, 1),
        ("TEXT", "grün", "grün"),
        ("TEXT", 1.5, "1.5"),
        ("DOUBLES", [1.0, math.inf, math.pi], [1.0, math.inf, math.pi]),
        ("DOUBLES", np.arange(2000.0), list(range(2000))),
        ("FLOATS", np.array([0.1, 0.2], np.float32), [np.float32(0.1), np.float32(0.2)]),
        ("SHORTS", [-1, 2], [-1, 2]),
        ("CHARS", list(b"long text as bytes"), list(b"long text as bytes")),
        ("TEXTS", ["a", "bc", ""], ["a", "bc", ""]),
    ],
)
def test_put_and_get(pvs, name, value, expected):
    before = time.time_ns()
    assert pvs.put({name: value}) == {name: None}
    got = reading(pvs, name)
    if isinstance(got.value, np.ndarray):
        np.testing.assert_array_equal(got.value, expected)
    else:
        assert got.value == expected
        assert type(got.value) is type(expected)
    assert abs(got.time_ns - before) < 5e9


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("AO", "abc", "AO: refused 'abc', expected a number (Channel write request failed)"),
        ("LONG", "abc", "LONG: refused 'abc', expected a number (Channel write request failed)"),
        ("LONG", 2**31, "LONG: 2147483648 does not fit a 32-bit integer (-2147483648 to 2147483647)"),
        ("MBBO", "Lowest", "MBBO: refused 'Lowest', is it one of its labels? (Channel write request failed)"),
        ("AO.NAME", "x", "AO.NAME: no write access"),
        ("DISABLED", 1, "DISABLED: refused 1 (Channel write request failed)"),
        ("TEXTS", ["a"] * 5, "TEXTS: refused ['a', 'a', 'a', 'a', 'a'] (Invalid element count requested)"),
    ],
)
def test_put_refused(pvs, name, value, reason):
    before = [reading(pvs, name).value for name in ("AO", "LONG", "MBBO")]
    (error,) = pvs.put({name: value}).values()
    assert isinstance(error, PutRefused)
    assert str(error) == reason
    assert error.pv == name
    assert [reading(pvs, name).value for name in ("AO", "LONG", "MBBO")] == before


def test_bad_ones_do_not_hold_up_good_ones(pvs):
    results = pvs.put({"AO": 1.0, "NOWHERE": 1.0, "LONG": "abc", "BO": 1}, timeout=1.0)
    assert list(results) == ["AO", "NOWHERE", "LONG", "BO"]
    assert results["AO"] is None
    assert results["BO"] is None
    assert isinstance(results["LONG"], PutRefused)
    assert isinstance(results["NOWHERE"], NotConnected)
    assert str(results["NOWHERE"]) == "NOWHERE: not connected within 1 s"
    assert reading(pvs, "AO").value == 1.0


def test_no_reply_in_time(pvs):
    (error,) = pvs.put({"SLOW": 1}, timeout=0.3).values()
    assert isinstance(error, ChannelTimeout)
    assert str(error) == "SLOW: no reply within 0.3 s"


@pytest.mark.parametrize("name", ["", "X" * 5000])
def test_impossible_names(pvs, name):
    results = pvs.get([name, "AO"])
    assert isinstance(results[name], NotConnected)
    assert isinstance(results["AO"], PvValue)


def test_alarm_and_clamp(pvs):
    assert pvs.put({"AO": 99.0, "LONG": 11}) == {"AO": None, "LONG": None}
    readings = pvs.get(["AO", "LONG"])
    assert [(r.value, r.severity, r.status) for r in readings.values()] == [
        (5.0, Severity.MINOR, Status.HIGH),
        (11, Severity.MAJOR, Status.HIHI),
    ]


def test_never_processed(pvs):
    got = reading(pvs, "DISABLED")
    assert (got.severity, got.status, got.time_ns) == (Severity.INVALID, Status.UDF, 631_152_000 * 10**9)


def test_metadata(pvs):
    found = pvs.metadata(["AI", "AO", "LONG", "MBBO", "TEXT", "CHARS", "AI.NAME", "NOWHERE"], timeout=1.0)
    assert isinstance(found.pop("NOWHERE"), NotConnected)
    assert not any(isinstance(entry, ChannelError) for entry in found.values()), found
    ai, ao, long, mbbo, text, chars, name = found.values()
    assert (ai.type, ai.count, ai.units, ai.precision, ai.display) == (PvType.DOUBLE, 1, "mV", 3, (-1.0, 100.0))
    np.testing.assert_array_equal(ai.alarm, (math.nan, math.nan, 5.0, 10.0))  # LOW has no severity
    assert ao.control == (-5.0, 5.0)
    assert long.type is PvType.LONG
    np.testing.assert_array_equal(long.alarm, (math.nan, math.nan, math.nan, 10.0))
    assert (mbbo.type, mbbo.labels) == (PvType.ENUM, ("Low", "Mid", "High"))
    assert (text.type, text.count, text.writable) == (PvType.STRING, 1, True)
    assert (chars.type, chars.count) == (PvType.CHAR, 100)
    assert not name.writable


def test_thousands_at_once(pvs):
    names = [f"MANY{index}" for index in range(COUNT)]
    assert set(pvs.put({name: 0.001 * index for index, name in enumerate(names)}).values()) == {None}
    readings = pvs.get(names)
    assert list(readings) == names
    assert [reading.value for reading in readings.values()] == [0.001 * index for index in range(COUNT)]
    assert all(entry.type is PvType.DOUBLE for entry in pvs.metadata(names).values())


def test_same_name_twice_and_none_at_all(pvs):
    assert list(pvs.get(["AO", "AO"])) == ["AO"]
    assert pvs.get([]) == {}
    assert pvs.put({}) == {}


async def test_from_many_threads(pvs):
    async def put_and_get(index: int) -> object:
        name = f"MANY{index}"
        assert await asyncio.to_thread(pvs.put, {name: float(index)}) == {name: None}
        return (await asyncio.to_thread(pvs.get, [name]))[name].value

    assert await asyncio.gather(*(put_and_get(index) for index in range(100))) == list(range(100))


def test_many_clients_in_one_process(address, open_client):
    clients = [open_client(address) for _ in range(5)]
    for index, client in enumerate(clients):
        assert client.put({"AO": index / 8}) == {"AO": None}
    assert [reading(client, "AO").value for client in clients] == [0.5] * 5


def test_closed(address, open_client):
    client = open_client(address)
    client.get(["AO"])
    client.close()
    client.close()
    with pytest.raises(ServiceError, match="closed"):
        client.get(["AO"])
