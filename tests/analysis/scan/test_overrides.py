"""Which setpoints are another client's, from the values that a monitor shows in order."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from analysis.scan.overrides import Ledger, SetpointMonitor, lost, seen, sending
from sipmdcs.channels_fake import FakeChannels
from tests.analysis.scan.fake_detector import CHANNELS, FakeDetector

CHANNEL = CHANNELS[0]
GRID = [50.0 + 0.1 * step for step in range(20)]


def is_own(volts: float) -> bool:
    return any(abs(volts - own) < 0.06 for own in [*GRID, 56.0])


POINTS = st.sampled_from(GRID)


@given(st.lists(POINTS, max_size=12), st.data())
def test_own_values_that_arrive_in_order_are_no_override(puts: list[float], data: st.DataObject) -> None:
    """However late they come, and if a slow circuit leaves some out."""
    ledger = seen(Ledger(), 56.0, is_own)
    waiting: list[float] = []
    for volts in puts:
        ledger = sending(ledger, volts)
        waiting.append(volts)
        if data.draw(st.booleans()):
            shown = data.draw(st.lists(st.sampled_from(range(len(waiting))), unique=True).map(sorted)) if waiting else []
            for index in shown:
                ledger = seen(ledger, waiting[index], is_own)
            waiting = waiting[shown[-1] + 1 :] if shown else waiting
    assert ledger.foreign is None


@given(st.lists(POINTS, min_size=1, max_size=8), POINTS, st.integers(0, 8))
def test_an_ioc_that_was_away_may_come_back_with_any_value_of_the_scan(puts: list[float], earlier: float, when: int) -> None:
    ledger = seen(Ledger(), 56.0, is_own)
    for index, volts in enumerate(puts):
        if index == when:
            ledger = seen(lost(ledger), earlier, is_own)
        ledger = seen(sending(ledger, volts), volts, is_own)
    assert ledger.foreign is None
    assert seen(lost(ledger), 20.0, is_own).foreign == 20.0


@given(st.lists(POINTS, min_size=2, max_size=8, unique=True), st.integers(0, 7))
def test_a_value_that_the_scan_overwrites_is_remembered(puts: list[float], when: int) -> None:
    """A value of the scan's own range, put between its look and its put."""
    ledger = seen(Ledger(), 56.0, is_own)
    at = when % len(puts)
    for index, volts in enumerate(puts):
        if index == at:
            ledger = seen(ledger, 50.05, is_own)
        ledger = seen(sending(ledger, volts), volts, is_own)
    assert ledger.foreign == 50.05


async def test_the_monitor_tells_a_put_of_another_client_from_its_own() -> None:
    detector = FakeDetector()
    monitor = SetpointMonitor(detector.pvs, {CHANNEL: is_own})
    put_by_scan(monitor, detector.pvs, 51.0)
    assert await monitor.found(CHANNEL, None) is None
    assert await monitor.found(CHANNEL, 51.0) is None
    detector.pvs.disconnect(f"{CHANNEL}:BIAS")
    detector.pvs.set(f"{CHANNEL}:BIAS", 50.0)
    detector.pvs.connect(f"{CHANNEL}:BIAS")
    assert await monitor.found(CHANNEL, 50.0) is None, "restored by its IOC"
    detector.pvs.put({f"{CHANNEL}:BIAS": 50.5})
    put_by_scan(monitor, detector.pvs, 51.1)
    assert await monitor.found(CHANNEL, None) == 50.5
    monitor.close()


def put_by_scan(monitor: SetpointMonitor, pvs: FakeChannels, volts: float) -> None:
    monitor.sending(CHANNEL, volts)
    pvs.put({f"{CHANNEL}:BIAS": volts})
