"""Putting back, in every state in which channels can be found."""

import pytest

from analysis.scan import restoration
from analysis.scan.operating_point import Held, OperatingPoint
from analysis.scan.restoration import Report, Restoration
from analysis.scan.trouble import TakenOver
from sipmdcs.channelstate import ChannelState
from sipmdcs.errors import DeviceRefused
from sipmdcs.severity import Severity
from tests.analysis.scan.fake_detector import CHANNELS, CONTROLLER, WORKING_V, FakeDetector

FIRST, SECOND, THIRD = CHANNELS
GRID = tuple(round(50.0 + 0.1 * step, 3) for step in range(71))
ON = Held(WORKING_V, True, 50.0, 5.0, 5.0, GRID, WORKING_V)
OFF = Held(30.0, False, 50.0, 5.0, 5.0, GRID, 0.0)


@pytest.fixture
def detector() -> FakeDetector:
    """In the midst of a scan."""
    made = FakeDetector()
    for channel in CHANNELS:
        made.at(channel, 53.0)
    return made


def restore(
    detector: FakeDetector, held: dict[str, Held], left: dict[str, TakenOver] | None = None, poll_s: float | None = None
) -> Report:
    point = OperatingPoint("u", "w", "t", None, held, {} if poll_s is None else {CONTROLLER: poll_s})
    return Restoration(detector.pvs, point, left, sleep=lambda _: None).attempt()


def puts(detector: FakeDetector) -> list[str]:
    return [name.removeprefix(f"{CONTROLLER}:") for name, _ in detector.pvs.puts]


def test_voltages_switches_and_periods_come_back(detector: FakeDetector) -> None:
    detector.pvs.set(f"{CONTROLLER}:POLL_PERIOD", 0.2)
    report = restore(detector, {FIRST: ON, SECOND: ON, THIRD: OFF}, poll_s=1.0)
    assert set(report.restored) == {*CHANNELS, CONTROLLER}
    assert (report.left, report.pending) == ({}, {})
    assert [detector.number(channel, "BIAS") for channel in CHANNELS] == [WORKING_V, WORKING_V, 30.0]
    assert detector.state(THIRD) is ChannelState.OFF
    assert detector.pvs.value(f"{CONTROLLER}:POLL_PERIOD") == 1.0


def test_an_output_is_off_before_its_set_point_moves(detector: FakeDetector) -> None:
    restore(detector, {THIRD: OFF})
    assert puts(detector) == ["CH03:ENABLE", "CH03:BIAS"]


def test_what_is_right_is_not_touched(detector: FakeDetector) -> None:
    detector.at(FIRST, WORKING_V)
    restore(detector, {FIRST: ON})
    assert puts(detector) == []


def test_a_raised_limit_comes_down_before_the_voltage_and_a_lowered_one_up_after_it(detector: FakeDetector) -> None:
    detector.pvs.set(f"{FIRST}:CURRENT_LIMIT", 100.0)
    detector.pvs.set(f"{SECOND}:CURRENT_LIMIT", 10.0)
    detector.pvs.set(f"{SECOND}:RAMP_UP", 1.0)
    report = restore(detector, {FIRST: ON, SECOND: ON})
    assert set(report.restored) == {FIRST, SECOND}
    assert puts(detector) == ["CH01:CURRENT_LIMIT", "CH02:RAMP_UP", "CH01:BIAS", "CH02:BIAS", "CH02:CURRENT_LIMIT"]


def test_a_limit_is_not_raised_above_a_voltage_that_did_not_come_down(
    detector: FakeDetector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(restoration, "_PATIENCE_S", 0.05)
    detector.at(FIRST, 56.9)
    detector.pvs.set(f"{FIRST}:CURRENT_LIMIT", 10.0)
    detector.pvs.set(f"{FIRST}:RAMP_DOWN", 250.0)
    detector.pvs.refuse(f"{FIRST}:BIAS", "no write access")
    report = restore(detector, {FIRST: ON})
    assert "BIAS is 56.900 V, not 56.000 V" in report.pending[FIRST]
    assert detector.number(FIRST, "CURRENT_LIMIT") == 10.0


def test_a_tripped_channel_gets_its_set_point_and_stays_off(detector: FakeDetector) -> None:
    detector.trip(SECOND)
    report = restore(detector, {FIRST: ON, SECOND: ON})
    assert report.restored == [FIRST]
    assert report.pending[SECOND].startswith("tripped (over-current); BIAS is back at 56.000 V, it stays off")
    assert detector.number(SECOND, "BIAS") == WORKING_V
    assert "CH02:ENABLE" not in puts(detector)


def test_a_tripped_channel_that_was_off_is_as_it_was(detector: FakeDetector) -> None:
    detector.trip(SECOND)
    assert restore(detector, {SECOND: OFF}).restored == [SECOND]


@pytest.mark.parametrize("state", [ChannelState.DISCONNECTED, ChannelState.INTERLOCKED, ChannelState.ERROR])
def test_a_channel_that_cannot_be_judged_waits(detector: FakeDetector, state: ChannelState) -> None:
    detector.pvs.set(f"{FIRST}:STATE", int(state), severity=Severity.MAJOR)
    report = restore(detector, {FIRST: ON})
    assert list(report.pending) == [FIRST]
    assert not report.restored


def test_a_channel_without_ioc_waits_and_the_others_do_not(detector: FakeDetector) -> None:
    detector.pvs.disconnect(f"{FIRST}:STATE")
    report = restore(detector, {FIRST: ON, SECOND: ON})
    assert (report.pending, report.restored) == ({FIRST: "does not answer"}, [SECOND])


def test_a_set_point_of_somebody_else_stays(detector: FakeDetector) -> None:
    detector.at(FIRST, 20.0)
    report = restore(detector, {FIRST: ON})
    assert report.left == {FIRST: "was set to 20.000 V by somebody else, and is left so"}
    assert puts(detector) == []


def test_a_channel_that_somebody_switched_off_stays_off_at_its_working_set_point(detector: FakeDetector) -> None:
    detector.off(FIRST)
    report = restore(detector, {FIRST: ON})
    assert "was switched off by somebody else" in report.left[FIRST]
    assert puts(detector) == ["CH01:BIAS"]
    assert detector.state(FIRST) is ChannelState.OFF


def test_a_channel_that_the_scan_knows_to_be_taken_is_left(detector: FakeDetector) -> None:
    """Even if what somebody set could be a point of the scan."""
    report = restore(detector, {FIRST: ON}, {FIRST: TakenOver(FIRST, "was set to 53.000 V by somebody else", 53.0)})
    assert list(report.left) == [FIRST]
    assert puts(detector) == []


def test_a_set_point_that_the_scan_overwrote_holds_again(detector: FakeDetector) -> None:
    report = restore(detector, {FIRST: ON}, {FIRST: TakenOver(FIRST, "was set to 54.320 V by somebody else", 54.32)})
    assert list(report.left) == [FIRST]
    assert detector.number(FIRST, "BIAS_RBV") == 54.32


def test_an_output_that_is_on_although_its_switch_says_off_goes_off(detector: FakeDetector) -> None:
    """Its IOC was restarted, and has forgotten that the scan switched it on."""
    detector.pvs.set(f"{THIRD}:ENABLE", 0)
    detector.pvs.on_put(f"{THIRD}:ENABLE", None)
    report = restore(detector, {THIRD: OFF})
    assert report.pending == {THIRD: "is on, and was off"}
    assert puts(detector) == ["CH03:ENABLE", "CH03:BIAS"]


def test_the_reason_of_a_refusal_is_told(detector: FakeDetector) -> None:
    def refuse(_: object) -> None:
        raise DeviceRefused("overvoltage 7.00 V, limit is 6 V")

    detector.pvs.on_put(f"{FIRST}:BIAS", refuse)
    pending = restore(detector, {FIRST: ON}).pending[FIRST]
    assert pending.endswith("(BIAS refused: overvoltage 7.00 V, limit is 6 V)")


def test_a_readback_near_the_last_point_of_the_scan_proves_nothing(
    detector: FakeDetector, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The device must hold what it held, not something close to it."""
    monkeypatch.setattr(restoration, "_PATIENCE_S", 0.05)
    detector.at(FIRST, WORKING_V + 0.03)
    detector.pvs.on_put(f"{FIRST}:BIAS", None)
    assert "is on with 56.030 V, not at 56.000 V" in restore(detector, {FIRST: ON}).pending[FIRST]
    detector.pvs.set(f"{FIRST}:BIAS_RBV", WORKING_V)
    assert restore(detector, {FIRST: ON}).restored == [FIRST]
