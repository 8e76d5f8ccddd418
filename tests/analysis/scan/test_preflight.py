"""May a scan be done: every reason why not, and what it would do. Nothing is ever written."""

from collections.abc import Callable
from typing import Any

import pytest

from analysis.scan.estimate import duration_s
from analysis.scan.places import Place, select
from analysis.scan.preflight import ScanPlan, plan_scan
from analysis.scan.request import ScanRequest
from sipmdcs.channelstate import ChannelState
from sipmdcs.errors import BadInput
from sipmdcs.severity import Severity
from tests.analysis.scan.fake_detector import CHANNELS, CONTROLLER, FakeDetector

FIRST, SECOND, THIRD = CHANNELS
PLACES = tuple(Place(channel, CONTROLLER) for channel in CHANNELS)


def plan(detector: FakeDetector, **keys: Any) -> ScanPlan:
    made = plan_scan(detector.pvs, PLACES, ScanRequest(who="x", channels=("*",), **keys))
    assert detector.pvs.puts == []
    return made


def test_a_course_is_relative_to_the_breakdown_voltage_at_this_temperature() -> None:
    course = plan(FakeDetector(), start="VBR-1", stop="VBR+1", step_V=0.5).courses[0]
    assert course.grid == (51.108, 51.608, 52.108, 52.608, 53.108)
    assert course.ceiling_uA == 40.0
    assert (course.held.bias_V, course.held.on, course.held.grid[0], course.held.grid[-1]) == (56.0, True, 51.108, 53.108)


UNFIT: list[tuple[str, Callable[[FakeDetector], object], str]] = [
    ("masked", lambda d: d.pvs.set(f"{SECOND}:MASK", 1), "is masked"),
    ("tripped", lambda d: d.trip(SECOND), "is tripped (over-current)"),
    ("interlocked", lambda d: d.pvs.set(f"{SECOND}:STATE", 7), "is interlocked"),
    ("disconnected", lambda d: d.pvs.set(f"{SECOND}:STATE", 0), "is disconnected"),
    ("error", lambda d: d.pvs.set(f"{SECOND}:STATE", 8), "is error"),
    ("ramping", lambda d: d.pvs.set(f"{SECOND}:STATE", 3), "is ramping up"),
    ("no ioc", lambda d: d.pvs.disconnect(f"{SECOND}:BIAS_RBV"), "does not answer"),
    ("no access", lambda d: d.pvs.refuse(f"{SECOND}:BIAS"), "may not be written from here"),
    ("invalid", lambda d: d.pvs.set(f"{SECOND}:CURRENT_RBV", severity=Severity.INVALID), "CURRENT_RBV is INVALID"),
    ("elsewhere", lambda d: d.pvs.set(f"{SECOND}:BIAS_RBV", 40.0), "holds 40.000 V and not its BIAS of 56.000 V"),
    ("half on", lambda d: d.pvs.set(f"{SECOND}:ENABLE", 0), "ENABLE is Off and it is on"),
]


@pytest.mark.parametrize(("cause", "reason"), [row[1:] for row in UNFIT], ids=[row[0] for row in UNFIT])
def test_a_channel_that_is_not_fit(cause: Callable[[FakeDetector], object], reason: str) -> None:
    detector = FakeDetector()
    cause(detector)
    with pytest.raises(BadInput) as caught:
        plan(detector)
    assert (
        str(caught.value)
        == f"{SECOND}: {reason if 'may not' not in reason else 'its BIAS ' + reason}; --skip-bad leaves them out"
    )
    rest = plan(detector, skip_bad=True)
    assert [course.place.channel for course in rest.courses] == [FIRST, THIRD]
    assert list(rest.skipped) == [SECOND]


@pytest.mark.parametrize(
    ("keys", "reason"),
    [
        ({"stop": "80.5"}, "50.108 to 80.408 V is outside its limits, 0 to 80 V"),
        ({"max_current_uA": 51.0}, "a ceiling of 51 uA is above its CURRENT_LIMIT of 50 uA"),
    ],
)
def test_a_range_or_ceiling_beyond_the_limits_is_refused_whatever_else(keys: dict[str, Any], reason: str) -> None:
    for skip_bad in (False, True):
        with pytest.raises(BadInput) as caught:
            plan(FakeDetector(), **{"step_V": 0.3, **keys}, skip_bad=skip_bad)
        assert reason in str(caught.value)
        assert "skip-bad" not in str(caught.value)


def test_all_are_named_as_far_as_they_fit() -> None:
    detector = FakeDetector()
    for channel in CHANNELS:
        detector.pvs.set(f"{channel}:MASK", 1)
    with pytest.raises(BadInput, match=r"nothing is left to scan: .*CH01: is masked; .*CH02: is masked; .*CH03: is masked$"):
        plan(detector, skip_bad=True)


def test_without_a_temperature_only_a_range_in_volts_will_do() -> None:
    detector = FakeDetector()
    detector.pvs.set(f"{FIRST}:TEMP_RBV", severity=Severity.INVALID)
    with pytest.raises(BadInput, match="CH01: its breakdown voltage at this temperature is not known"):
        plan(detector)
    assert len(plan(detector, start="50", stop="56").courses) == 3


def test_an_off_channel_is_part_of_it_and_takes_its_way_up_and_down() -> None:
    detector = FakeDetector()
    before = duration_s(plan(detector, start="50", stop="56", step_V=0.5))
    detector.off(SECOND)
    made = plan(detector, start="50", stop="56", step_V=0.5)
    assert [course.held.on for course in made.courses] == [True, False, True]
    # 13 points of 2 polls to arrive and 3 to measure, 1 s each, and 0.2 s to settle; 4 polls to prove it; 5 V/s.
    assert before == pytest.approx(6 / 5 + 13 * 5.2 + 0 / 5 + 4)
    assert duration_s(made) == pytest.approx(50 / 5 + 13 * 5.2 + 56 / 5 + 4)
    assert duration_s(plan(detector, start="50", stop="56", step_V=0.5, poll_s=0.1)) < 35
    assert detector.state(SECOND) is ChannelState.OFF


@pytest.mark.parametrize(
    ("patterns", "chosen"),
    [
        (("*",), CHANNELS),
        ((THIRD, FIRST, FIRST), (FIRST, THIRD)),
        (("*:CH0[12]",), (FIRST, SECOND)),
        ((CONTROLLER,), CHANNELS),
        ((f"{CONTROLLER}:*",), CHANNELS),
    ],
)
def test_what_patterns_mean(patterns: tuple[str, ...], chosen: tuple[str, ...]) -> None:
    assert tuple(place.channel for place in select(patterns, PLACES)) == tuple(chosen)


@pytest.mark.parametrize("pattern", ["DET:VETO:HV09:*", "ch01", "DET:VETO:HV01:CH01:BIAS"])
def test_a_pattern_that_means_nothing_is_refused(pattern: str) -> None:
    with pytest.raises(BadInput, match="no channel of this site is"):
        select((FIRST, pattern), PLACES)
