"""The client against the soft IOC of this project: what test_requests and test_capture ask of EPICS Base, in short."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from sipmdcs.channels import Kind, PvMetadata, PvType, PvValue
from sipmdcs.channels_ca import CaChannels
from sipmdcs.errors import ChannelError, PutRefused
from sipmdcs.severity import Severity, Status
from tests.sipmdcs.channels.recording import Recording

COUNT = 500

DATABASE = """
record(ao, "AO") { field(EGU, "V") field(PREC, "3") field(DRVH, "60") field(HIGH, "50") field(HSV, "MINOR") field(HIHI, "55")
    field(HHSV, "MAJOR") }
record(longout, "LONG") { }
record(bo, "BO") { field(ZNAM, "Off") field(ONAM, "On") }
record(mbbo, "MBBO") { field(ZRST, "Low") field(ONST, "Mid") field(TWST, "High") }
record(stringout, "TEXT") { }
record(waveform, "DOUBLES") { field(FTVL, "DOUBLE") field(NELM, "256") }
record(waveform, "CHARS") { field(FTVL, "CHAR") field(NELM, "64") }
record(waveform, "TEXTS") { field(FTVL, "STRING") field(NELM, "4") }
""" + "".join(f'record(ao, "N{index}") {{ }}\n' for index in range(COUNT))

VALUES = {
    "AO": 52.5,
    "LONG": -7,
    "BO": 1,
    "MBBO": 2,
    "TEXT": "grün",
    "DOUBLES": np.arange(100.0),
    "CHARS": np.frombuffer(b"long text", np.uint8),
    "TEXTS": ["a", "bc"],
}


@pytest.fixture(scope="module")
def address(free_ports: Callable[[int], list[int]], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    port = free_ports(1)[0]
    database = tmp_path_factory.mktemp("ioc") / "records.db"
    database.write_text(DATABASE)
    command = [Path(sys.executable).with_name("sipmdcs"), "ioc", "--db", database]
    environment = os.environ | {"EPICS_CA_SERVER_PORT": str(port), "EPICS_CAS_INTF_ADDR_LIST": "127.0.0.1"}
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        yield f"127.0.0.1:{port}"
        process.terminate()


@pytest.fixture(params=[True, False], ids=["C", "ctypes"])
def pvs(request, address, open_client) -> CaChannels:
    client = open_client(address, native=request.param)
    client.get(["AO"], timeout=20.0)  # the server may still be starting
    return client


def test_put_get_and_capture(pvs):
    names = list(VALUES)
    assert set(pvs.put({"AO": 1.0, "BO": "Off", "MBBO": "Low", "TEXT": ""}).values()) == {None}
    with pvs.capture(names) as capture:
        found = Recording(capture).until(lambda r: all(r.values(pv) for pv in range(len(names))))
        assert set(pvs.put(VALUES).values()) == {None}
        readings = pvs.get(names)
        found.until(lambda r: all(np.array_equal(r.values(pv)[-1], VALUES[name]) for pv, name in enumerate(names)))
    for name, expected in VALUES.items():
        reading = readings[name]
        assert isinstance(reading, PvValue), reading
        np.testing.assert_array_equal(reading.value, expected)
    assert (readings["AO"].severity, readings["AO"].status) == (Severity.MINOR, Status.HIGH)
    assert found.alarms(0)[-1] == (Severity.MINOR, Status.HIGH)
    assert [found.kinds(pv)[-1] for pv in (0, 4, 5, 6, 7)] == [Kind.SCALAR, Kind.TEXT, Kind.ARRAY, Kind.ARRAY, Kind.TEXT_ARRAY]
    last = [event for event in found.events if event["pv"] == 0][-1]
    assert last["time_ns"] == readings["AO"].time_ns


@pytest.mark.parametrize(
    ("name", "value"),
    [("AO", "abc"), ("LONG", "abc"), ("LONG", 2**31), ("MBBO", "Lowest"), ("AO.NAME", "x"), ("TEXTS", ["a"] * 5)],
)
def test_refused(pvs, name, value):
    (error,) = pvs.put({name: value}).values()
    assert isinstance(error, PutRefused), error


def test_clamped(pvs):
    assert pvs.put({"AO": 99.0}) == {"AO": None}
    assert pvs.get(["AO"])["AO"].value == 60.0


def test_metadata(pvs):
    ao, mbbo, doubles = pvs.metadata(["AO", "MBBO", "DOUBLES"]).values()
    assert isinstance(ao, PvMetadata)
    assert (ao.type, ao.units, ao.precision, ao.control, ao.writable) == (PvType.DOUBLE, "V", 3, (0.0, 60.0), True)
    np.testing.assert_array_equal(ao.alarm, (np.nan, np.nan, 50.0, 55.0))
    assert mbbo.labels == ("Low", "Mid", "High")
    assert doubles.count == 256


def test_hundreds_at_once(pvs):
    names = [f"N{index}" for index in range(COUNT)]
    assert set(pvs.put(dict.fromkeys(names, 0.0)).values()) == {None}
    with pvs.capture(names) as capture:
        found = Recording(capture).until(lambda r: len(r.events) >= 2 * COUNT)
        for step in range(1, 6):
            assert set(pvs.put({name: float(step) for name in names}).values()) == {None}
        found.until(lambda r: all(r.values(pv)[-1] == 5.0 for pv in range(COUNT)))
    assert all(found.values(pv)[-5:] == [1.0, 2.0, 3.0, 4.0, 5.0] for pv in range(COUNT))
    assert not any(isinstance(reading, ChannelError) for reading in pvs.get(names).values())
