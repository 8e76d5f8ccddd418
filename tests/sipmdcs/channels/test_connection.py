"""Servers that die, come back as something else, or take access away."""

import math
import time

import pytest

from sipmdcs.channels import Kind, PvMetadata
from sipmdcs.errors import ChannelError, NotConnected, PutRefused
from sipmdcs.severity import Severity, Status
from tests.sipmdcs.channels.recording import Recording

BEFORE = """
record(ao, "SAME") { field(VAL, "1") field(PINI, "YES") }
record(ao, "TYPE") { field(VAL, "2") field(PINI, "YES") }
record(waveform, "COUNT") { field(FTVL, "DOUBLE") field(NELM, "3") }
record(ao, "GONE") { field(VAL, "4") field(PINI, "YES") }
"""
AFTER = """
record(ao, "SAME") { field(VAL, "10") field(PINI, "YES") }
record(stringout, "TYPE") { field(VAL, "twenty") field(PINI, "YES") }
record(longout, "COUNT") { field(VAL, "30") field(PINI, "YES") }
"""
NAMES = ["SAME", "TYPE", "COUNT", "GONE"]


def test_killed_and_restarted_with_other_types(ioc, open_client):
    ioc.start(BEFORE)
    client, python = open_client(ioc.address), open_client(ioc.address, native=False)
    recordings = [Recording(client.capture(NAMES)), Recording(python.capture(NAMES))]
    assert not any(isinstance(value, ChannelError) for value in client.get(NAMES).values())
    for recording in recordings:
        recording.until(lambda r: len(r.events) == 8)

    killed = time.time_ns()
    ioc.kill()
    for recording in recordings:
        recording.until(lambda r: len(r.events) == 12)
        assert not recording.capture.connected().any()
        assert all(killed < event["time_ns"] < time.time_ns() for event in recording.events[8:])
    (error,) = client.get(["SAME"], timeout=0.2).values()
    assert isinstance(error, NotConnected)
    (error,) = client.put({"SAME": 1}, timeout=0.2).values()
    assert isinstance(error, NotConnected)

    ioc.start(AFTER)  # libca waits ten seconds before it looks for lost channels again
    for recording in recordings:
        recording.until(lambda r: all(len(r.kinds(pv)) == 5 for pv in range(3)), timeout=30)
        assert list(recording.capture.connected()) == [True, True, True, False]
        up_down_up = [Kind.CONNECTED, Kind.SCALAR, Kind.DISCONNECTED, Kind.CONNECTED]
        assert recording.kinds(0) == [*up_down_up, Kind.SCALAR]
        assert recording.kinds(1) == [*up_down_up, Kind.TEXT]
        assert recording.kinds(2) == [Kind.CONNECTED, Kind.ARRAY, Kind.DISCONNECTED, Kind.CONNECTED, Kind.SCALAR]
        assert recording.kinds(3) == up_down_up[:3]
        assert [recording.values(pv)[-1] for pv in range(3)] == [10.0, "twenty", 30.0]
    readings = client.get(NAMES[:3], timeout=20)
    assert [reading.value for reading in readings.values()] == [10.0, "twenty", 30]
    assert client.put({"TYPE": "x", "COUNT": 5}) == {"TYPE": None, "COUNT": None}
    for recording in recordings:
        recording.until(lambda r: len(r.values(1)) == 3 and len(r.values(2)) == 3)
        assert [recording.values(pv)[-1] for pv in (1, 2)] == ["x", 5.0]


@pytest.mark.parametrize("native", [True, False], ids=["C", "ctypes"])
def test_access_taken_away(ioc, open_client, native):
    ioc.start(
        """
        record(ao, "LOCKED") { field(PINI, "YES") }
        record(ao, "PV") { field(VAL, "1") field(PINI, "YES") field(ASG, "LOCKABLE") }
        """,
        """
        ASG(DEFAULT) { RULE(1, WRITE) }
        ASG(LOCKABLE) { INPA("LOCKED") RULE(1, WRITE) { CALC("A=0") } RULE(1, READ) { CALC("A<2") } }
        """,
    )
    client = open_client(ioc.address, native=native)

    def writable() -> bool:
        metadata = client.metadata(["PV"])["PV"]
        return isinstance(metadata, PvMetadata) and metadata.writable

    _until(writable)  # the server's own link to LOCKED comes up late
    with client.capture(["PV"]) as capture:
        found = Recording(capture).until(lambda r: r.values(0))
        client.put({"LOCKED": 1})
        _until(lambda: not writable())
        (error,) = client.put({"PV": 5}).values()
        assert isinstance(error, PutRefused)
        assert str(error) == "PV: no write access"

        client.put({"LOCKED": 2})
        found.until(lambda r: math.isnan(r.values(0)[-1]))
        assert found.alarms(0)[-1] == (Severity.INVALID, Status.READ_ACCESS)
        (error,) = client.get(["PV"]).values()
        assert str(error) == "PV: cannot be read: Read access denied"

        client.put({"LOCKED": 0})
        found.until(lambda r: r.values(0)[-1] == 1.0)


def _until(condition, timeout=10.0):
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline
