"""Live values: what is not known now is null and says what it last was."""

from collections.abc import Iterator

import pytest

from sipmdcs.channels import PvType
from sipmdcs.channels_fake import FakeChannels
from sipmdcs.clock import ManualClock
from sipmdcs.severity import Severity, Status
from tests.system.installation import wait_until
from web.live import Live
from web.live_resources import CHANNELS
from web.live_rows import LiveRows, live_names
from web.plant import Channel, Controller, Plant, ServiceEntry
from web.query import Query, Row
from web.sensors import Sensors

CH = "LAB:VETO:HV1:CH01"
PLANT = Plant(
    (Controller("HV1", "LAB:VETO:HV1", "VETO", "padme-nim", "veto", (Channel(CH, 1, "1.01"),)),),
    (ServiceEntry("veto", "LAB:SYS:VETO", "ioc"),),
    {f"{CH}:CURRENT_RBV": "mA"},
    {f"{CH}:STATE": ("DISCONNECTED", "OFF", "STANDBY", "RAMPING_UP", "ON")},
)
ALL = Query(CHANNELS.names)


class World:
    """A detector of one channel."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.pvs = FakeChannels(self.clock)
        self.live = Live(self.pvs.capture(live_names(PLANT)), self.clock)
        self.rows = LiveRows(PLANT, self.live, Sensors(lambda: {"1.01": "S-17"}, self.clock))

    def channel(self) -> Row:
        (row,) = self.rows.channels(ALL).rows
        return row


@pytest.fixture
def world() -> Iterator[World]:
    made = World()
    yield made
    made.live.close()


def test_values_units_times_and_labels(world: World) -> None:
    world.pvs.add(f"{CH}:CURRENT_RBV", 0.5)
    world.pvs.add(f"{CH}:STATE", 4, type_=PvType.ENUM)
    wait_until(lambda: world.channel().values["state"] == "ON", 10, "the state came in", 0.01)
    wait_until(lambda: world.channel().values["current"] == 0.5, 10, "the current came in", 0.01)
    row = world.channel()
    assert row.values["sensor"] == "S-17"
    assert row.notes["current"] == {
        "pv": f"{CH}:CURRENT_RBV",
        "severity": "NO_ALARM",
        "status": "NO_ALARM",
        "units": "mA",
        "time": "2026-01-01T00:00:00Z",
    }


def test_a_value_of_a_dead_ioc_is_null(world: World) -> None:
    world.pvs.add(f"{CH}:CURRENT_RBV", 0.5)
    wait_until(lambda: world.channel().values["current"] == 0.5, 10, "the current came in", 0.01)
    world.pvs.disconnect(f"{CH}:CURRENT_RBV")
    wait_until(lambda: world.channel().values["current"] is None, 10, "the current went", 0.01)
    row = world.channel()
    assert row.notes["current"]["last"] == 0.5
    assert row.notes["current"]["severity"] == "INVALID"
    assert row.values["severity"] == "INVALID"
    assert row.values["state"] == "DISCONNECTED"


def test_age_is_that_of_the_last_poll(world: World) -> None:
    world.pvs.add("LAB:VETO:HV1:HEARTBEAT", 3)
    wait_until(lambda: world.channel().values["age"] is not None, 10, "the heartbeat came in", 0.01)
    world.clock.advance(7)
    assert world.channel().values["age"] == 7.0


def test_a_service_is_lost_when_its_heart_stops(world: World) -> None:
    def state() -> str:
        (row,) = world.rows.services(ALL).rows
        return row.values["state"]

    assert state() == "LOST"
    world.pvs.add("LAB:SYS:VETO:HEARTBEAT", 1)
    wait_until(lambda: state() == "RUNNING", 10, "the heartbeat came in", 0.01)
    world.clock.advance(6)
    assert state() == "LOST"


def test_what_is_no_number_is_null(world: World) -> None:
    world.pvs.add(f"{CH}:CURRENT_RBV", float("nan"))
    world.pvs.add(f"{CH}:TEMP_RBV", float("inf"))
    world.pvs.add(f"{CH}:VMON_RBV", 1.0)
    wait_until(lambda: world.channel().values["voltage"] == 1.0, 10, "the voltage came in", 0.01)
    assert world.channel().values["current"] is None
    assert world.channel().values["temperature"] is None


def test_an_undefined_value_is_null(world: World) -> None:
    world.pvs.add(f"{CH}:GAIN", 0.0)
    world.pvs.set(f"{CH}:GAIN", 0.0, severity=Severity.INVALID, status=Status.UDF)
    wait_until(lambda: world.channel().notes["gain"]["status"] == "UDF", 10, "the gain came in", 0.01)
    assert world.channel().values["gain"] is None
