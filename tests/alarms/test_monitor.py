import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alarms.level import Level
from alarms.monitor import SETTLING_S, Monitor
from alarms.values import MetadataCache
from sipmdcs.channels import EVENT, Batch, Kind, Mask, PvMetadata, PvType
from sipmdcs.channels_fake import FakeChannels
from sipmdcs.clock import EPICS_EPOCH_S, NS, ManualClock
from sipmdcs.severity import Severity, Status

NAMES = ["A:CURRENT_RBV", "A:STATE", "A:NAME", "A:NEVER"]


@pytest.fixture
def world():
    clock = ManualClock()
    channels = FakeChannels(clock)
    channels.add("A:CURRENT_RBV", 12.345, units="uA", precision=2)
    channels.add("A:STATE", 1, labels=("OFF", "ON"))
    channels.add("A:NAME", "two\nlines")
    return clock, channels


@pytest.fixture
def watch(world):
    clock, channels = world
    cache = MetadataCache(channels)
    monitor = Monitor(NAMES, cache, clock, grace_s=5, connect_timeout_s=30)

    def look():
        reports = [*monitor.read(capture.drain()), *monitor.settled(), *monitor.overdue()]
        return {pv: (state.level.name, state.message, state.value) for pv, state in reports}

    with channels.capture(NAMES, mask=Mask.ALARM, metadata=True) as capture:
        yield look


def test_first_reports_carry_value_unit_and_label(watch):
    assert watch() == {
        "A:CURRENT_RBV": ("OK", "OK", "12.35 uA"),
        "A:STATE": ("OK", "OK", "ON"),
        "A:NAME": ("OK", "OK", "two lines"),
    }


def test_severity_and_status(world, watch):
    _, channels = world
    watch()
    channels.set("A:CURRENT_RBV", 30.0, severity=Severity.MAJOR, status=Status.HIHI)
    channels.set("A:STATE", 7, severity=Severity.INVALID, status=Status.COMM)
    assert watch() == {"A:CURRENT_RBV": ("MAJOR", "HIHI", "30.00 uA"), "A:STATE": ("INVALID", "COMM", "7")}


def test_never_connected(world, watch):
    clock, _ = world
    watch()
    clock.advance(29)
    assert watch() == {}
    clock.advance(1)
    assert watch() == {"A:NEVER": (Level.UNDEFINED.name, "Disconnected", "")}
    clock.advance(100)
    assert watch() == {}


def test_gone_for_less_than_the_grace(world, watch):
    clock, channels = world
    watch()
    channels.disconnect("A:STATE")
    clock.advance(4)
    assert watch() == {}
    channels.connect("A:STATE")
    assert watch() == {"A:STATE": ("OK", "OK", "ON")}
    clock.advance(20)
    assert watch() == {}


def test_gone_for_longer(world, watch):
    clock, channels = world
    watch()
    channels.disconnect("A:STATE")
    watch()
    clock.advance(5)
    assert watch() == {"A:STATE": ("UNDEFINED", "Disconnected", "")}


def test_record_that_was_never_processed_has_the_grace_time(world, watch):
    clock, channels = world
    watch()
    channels.disconnect("A:STATE")
    channels.set("A:STATE", severity=Severity.INVALID, status=Status.UDF)
    channels.connect("A:STATE")
    assert watch() == {}
    clock.advance(4)
    channels.set("A:STATE", 0)
    assert watch() == {"A:STATE": ("OK", "OK", "OFF")}
    channels.set("A:STATE", severity=Severity.INVALID, status=Status.UDF)
    assert watch() == {}
    clock.advance(5)
    assert watch() == {"A:STATE": ("INVALID", "UDF", "OFF")}


def test_record_that_was_never_processed_says_so_instead_of_1990(world):
    clock, channels = world
    channels.set("A:STATE", severity=Severity.INVALID, status=Status.UDF, time_ns=EPICS_EPOCH_S * NS)
    monitor = Monitor(["A:STATE"], MetadataCache(channels), clock, grace_s=0, connect_timeout_s=30)
    with channels.capture(["A:STATE"]) as capture:
        reports = [*monitor.read(capture.drain()), *monitor.settled(), *monitor.overdue()]
    assert [(pv, state.message, state.time_ns) for pv, state in reports] == [("A:STATE", "never processed", clock.time_ns())]


def test_a_pv_that_just_connected_waits_a_moment_for_its_metadata(world):
    clock, channels = world
    monitor = Monitor(NAMES, MetadataCache(channels), clock, grace_s=5, connect_timeout_s=30)
    with channels.capture(NAMES) as capture:
        assert [*monitor.read(capture.drain()), *monitor.settled()] == []
        clock.advance(2)
        assert {pv: state.value for pv, state in monitor.settled()} == {
            "A:CURRENT_RBV": "12.345",
            "A:STATE": "1",
            "A:NAME": "two lines",
        }
        channels.set("A:STATE", 0)
        assert [state.value for _, state in monitor.read(capture.drain())] == ["0"]


def test_of_many_events_the_metadata_are_read_as_well(world, watch):
    _, channels = world
    watch()
    channels.disconnect("A:STATE")
    channels.connect("A:STATE")
    for severity in [Severity.MINOR, Severity.MAJOR] * 20:
        channels.set("A:STATE", severity=severity)
    assert watch() == {"A:STATE": ("MAJOR", "STATE", "ON")}


def test_without_metadata_a_value_is_told_bare_and_worded_when_they_come(world):
    clock, channels = world
    monitor = Monitor(["A:STATE"], MetadataCache(channels), clock, grace_s=5, connect_timeout_s=30)
    channels.set("A:STATE", 1, severity=Severity.MAJOR, status=Status.STATE)
    with channels.capture(["A:STATE"], metadata=True) as capture:
        batch = capture.drain()
    late = batch.events["kind"] == Kind.METADATA
    of_metadata = Batch(batch.events[late], batch.payloads, 0)
    assert [*monitor.read(Batch(batch.events[~late], batch.payloads, 0)), *monitor.settled()] == []
    clock.advance(2)
    assert [state.value for _, state in monitor.settled()] == ["1"]
    assert [state.value for _, state in monitor.read(of_metadata)] == ["ON"]
    assert [*monitor.read(of_metadata)] == []


def test_after_a_loss_connections_and_values_are_as_they_are_now(world, watch):
    clock, channels = world
    cache = MetadataCache(channels)
    monitor = Monitor(NAMES, cache, clock, grace_s=5, connect_timeout_s=30)
    with channels.capture(NAMES, capacity=3) as capture:
        batch = capture.drain()
        assert batch.dropped > 0
        list(monitor.read(batch))
        channels.disconnect("A:CURRENT_RBV")
        channels.set("A:NAME", "x", severity=Severity.MAJOR)
        values = channels.get(["A:STATE", "A:NAME"])
        reports = list(monitor.reread(capture.connected().tolist(), values))
    clock.advance(SETTLING_S)
    reports += [*monitor.settled()]
    assert {pv: state.level.name for pv, state in reports} == {"A:STATE": "OK", "A:NAME": "MAJOR"}
    assert monitor.disconnected == {"A:CURRENT_RBV", "A:NEVER"}
    clock.advance(5)
    assert ("A:CURRENT_RBV", "UNDEFINED") in [(pv, state.level.name) for pv, state in monitor.overdue()]


EVENTS = st.tuples(
    st.integers(0, 1),
    st.sampled_from([Kind.CONNECTED, Kind.METADATA, Kind.SCALAR, Kind.DISCONNECTED]),
    st.sampled_from([Severity.NO_ALARM, Severity.MAJOR]),
    st.integers(0, 2),
)
UNITS = [PvMetadata(PvType.DOUBLE, 1, units=unit) for unit in ("A", "V")]


def batch_of(events):
    rows = [
        (NS, NS, n, pv, payload if kind is Kind.METADATA else 0, Status.HIHI if severity else 0, severity, kind)
        for n, (pv, kind, severity, payload) in events
    ]
    return Batch(np.array(rows, EVENT), UNITS, 0)


def told_once(events):
    """What a server does: a PV says what it is at most once each time it connects."""
    may_tell = {0: True, 1: True}
    for number, (pv, kind, *rest) in enumerate(events):
        if kind is not Kind.METADATA or may_tell[pv]:
            yield number, (pv, kind, *rest)
        may_tell[pv] = (may_tell[pv] and kind is not Kind.METADATA) or kind is Kind.CONNECTED


@given(st.lists(EVENTS, max_size=12).map(lambda events: list(told_once(events))))
def test_events_that_come_together_mean_what_they_mean_one_by_one(events):
    """Connections of thousands of PVs are read at once."""

    def heard(batches):
        clock = ManualClock()
        monitor = Monitor(NAMES[:2], MetadataCache(FakeChannels(clock)), clock, grace_s=5, connect_timeout_s=30, most=100)
        reports = [report for batch in batches for report in monitor.read(batch)]
        clock.advance(SETTLING_S)
        reports += monitor.settled()
        clock.advance(5)
        reports += monitor.overdue()
        newest = {pv: (state.level, state.message, state.value) for pv, state in reports}
        return newest, monitor.disconnected, monitor.unknown(NAMES[:2])

    assert heard([batch_of(events)]) == heard([batch_of([event]) for event in events])
