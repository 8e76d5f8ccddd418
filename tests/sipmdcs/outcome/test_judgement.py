"""What may be said of a write, whatever is observed of it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipmdcs.channels import PvMetadata, PvType, PvValue
from sipmdcs.errors import ChannelError, NotConnected
from sipmdcs.outcome import Completed, Completion, Expectation, Outcome, Progress, Result, judge, observe
from sipmdcs.severity import Severity, Status

BIAS = PvMetadata(PvType.DOUBLE, 1, units="V", precision=3, control=(0.0, 80.0))
DONE = Completion()
WRITTEN_NS = 1000
GOOD = (Severity.NO_ALARM, Status.NO_ALARM)
ALARMS = st.sampled_from([
    GOOD,
    (Severity.MAJOR, Status.HIHI),
    (Severity.INVALID, Status.COMM),
    (Severity.INVALID, Status.WRITE),
    (Severity.INVALID, Status.TIMEOUT),
])  # fmt: skip
VOLTS = st.one_of(st.sampled_from([0.0, 54.0, 54.0009, 54.002, 79.9995, 80.0, 81.0, 90.0, float("nan")]), st.floats(0, 100))


def value(volts: float, time_ns: int, alarm: tuple[Severity, Status] = GOOD) -> PvValue:
    return PvValue(volts, *alarm, time_ns)


READINGS = st.one_of(st.just(NotConnected("PV", "gone")), st.builds(value, VOLTS, st.integers(900, 1100), ALARMS))


@dataclass(frozen=True)
class Look:
    setpoint: PvValue | ChannelError
    readback: PvValue | ChannelError
    after_s: float
    moving: bool


LOOKS = st.lists(st.builds(Look, READINGS, READINGS, st.floats(0, 30), st.booleans()), max_size=12)
EXPECTATIONS = st.builds(
    Expectation,
    st.just("PV"),
    VOLTS,
    st.just(BIAS),
    st.just("PV_RBV"),
    tolerance=st.just(0.001),
    travel_s=st.floats(0, 20),
    quiet_s=st.floats(1, 8),
)
COMPLETIONS = st.sampled_from([
    DONE, DONE, DONE, Completion(Completed.UNKNOWN, "no reply"), Completion(Completed.REFUSED, "no")
])  # fmt: skip


def run(expectation: Expectation, completion: Completion, looks: list[Look]) -> tuple[Outcome | None, list[Look], float]:
    """The outcome, the looks that were needed for it, and when it was known."""
    progress = Progress(expectation, completion, 0.0, WRITTEN_NS)
    now = 0.0
    for count, look in enumerate(looks):
        now += look.after_s
        progress = observe(progress, look.setpoint, look.readback, now, message="because", moving=look.moving)
        outcome = judge(progress, now)
        if outcome is not None:
            return outcome, looks[: count + 1], now
    return judge(progress, now), looks, now


def updates(looks: list[Look]) -> list[float]:
    """Values that the device gave for good after the write."""
    first = next((look.readback.time_ns for look in looks if isinstance(look.readback, PvValue)), None)
    return [
        float(look.readback.value)  # pyright: ignore[reportArgumentType]
        for look in looks
        if isinstance(look.readback, PvValue)
        and look.readback.severity is not Severity.INVALID
        and math.isfinite(look.readback.value)  # pyright: ignore[reportArgumentType]
        and (
            look.readback.time_ns != first
            or (isinstance(look.setpoint, PvValue) and look.readback.time_ns > look.setpoint.time_ns)
        )
    ]


@given(EXPECTATIONS, COMPLETIONS, LOOKS)
def test_an_outcome_says_no_more_than_the_evidence(expectation: Expectation, completion: Completion, looks: list[Look]) -> None:
    outcome, used, now = run(expectation, completion, looks)
    if outcome is None:
        return
    device = updates(used)
    wanted = expectation.wanted
    assert isinstance(wanted, float)
    match outcome.result:
        case Result.DONE:
            assert completion == DONE
            assert device
            assert abs(device[-1] - wanted) <= 0.0011
        case Result.CLAMPED:
            assert completion == DONE
            assert device
            assert outcome.held == device[-1]
            assert abs(device[-1] - wanted) > 0.001
            assert outcome.text.startswith(f"clamped to {device[-1]:.3f} V: ")
        case Result.REFUSED:
            last = used[-1].setpoint if used else None
            by_record = isinstance(last, PvValue) and (last.severity, last.status) == (Severity.INVALID, Status.WRITE)
            assert completion.result is Completed.REFUSED or by_record
            assert outcome.reason
        case Result.UNKNOWN:
            assert outcome.reason
            assert outcome.since_ns is not None
    assert now <= 3 * (expectation.travel_s + expectation.quiet_s) + max((look.after_s for look in used), default=0)


@given(EXPECTATIONS, LOOKS)
def test_without_completion_and_refusal_no_time_makes_a_refusal(expectation: Expectation, looks: list[Look]) -> None:
    outcome, _, _ = run(expectation, Completion(Completed.UNKNOWN, "no reply within 10 s"), looks)
    assert outcome is not None
    assert outcome.result is Result.UNKNOWN
    assert "no reply" in outcome.text


@given(EXPECTATIONS, st.lists(st.floats(0, 30), max_size=12))
def test_an_echo_of_the_setpoint_counts_as_nothing(expectation: Expectation, pauses: list[float]) -> None:
    """The record shows what was written, and the readback agreed before: nothing of that is news of the device."""
    wanted = expectation.wanted
    assert isinstance(wanted, float)
    looks = [Look(value(wanted, WRITTEN_NS), value(wanted, WRITTEN_NS - 1), pause, False) for pause in pauses]
    outcome, _, _ = run(expectation, DONE, looks)
    assert outcome is None or outcome.result is Result.UNKNOWN


E = Expectation("PV", 56.0, BIAS, "PV_RBV", tolerance=0.001, travel_s=10.0, quiet_s=5.0)


def ramp(*points: tuple[float, float], setpoint_V: float = 56.0) -> list[Look]:
    """Looks at times with a readback that is updated at each."""
    times = [0.0, *(time for time, _ in points)]
    return [
        Look(value(setpoint_V, WRITTEN_NS), value(volts, WRITTEN_NS + 1 + index), time - times[index], False)
        for index, (time, volts) in enumerate(points)
    ]


@pytest.mark.parametrize(
    ("looks", "text"),
    [
        (ramp((1, 51), (5, 53), (9, 55), (11, 56)), "done"),
        (ramp((1, 51), (9, 51.4), (16, 54), (20, 55), (24, 56)), "done"),  # slower than its ramp says, and getting on
        (ramp((1, 51), (8, 55), (9, 55), (16, 55)), "clamped to 55.000 V: PV_RBV holds it instead of 56.000 V"),
        (ramp((1, 50), (2, 50), (16, 50)), "clamped to 50.000 V: PV_RBV holds it instead of 56.000 V"),  # not taken at all
        (ramp((1, 50), (2, 50)), None),  # the ramp may not have begun
        (ramp((1, 51), (16, 52)), None),
        (ramp((1, 59), (2, 58), (16, 59)), "unknown: PV_RBV is still moving, at 59.000 V (since 00:00:00 UTC)"),
        (ramp((1, 80), setpoint_V=80), "unknown: the setpoint was changed to 80.000 V after this write (since 00:00:00 UTC)"),
    ],
)
def test_a_readback_is_waited_for_as_long_as_it_gets_on(looks: list[Look], text: str | None) -> None:
    outcome, _, _ = run(E, DONE, looks)
    assert (outcome.text if outcome else None) == text


def test_a_value_beyond_the_limits_of_the_record_is_clamped_when_the_device_has_the_limit() -> None:
    outcome, _, _ = run(replace(E, wanted=90.0), DONE, ramp((1, 60), (5, 80), setpoint_V=80))
    assert outcome is not None
    assert outcome.result is Result.CLAMPED
    assert outcome.held == 80.0
    assert outcome.text == "clamped to 80.000 V: limits are 0.000 V to 80.000 V"


def test_a_ramping_output_is_not_judged() -> None:
    """Its bias stands still while the device moves, or its ramp is slower than the records say."""
    looks = [replace(look, moving=True) for look in ramp((1, 50), (8, 50), (16, 50), (20, 50))]
    assert run(E, DONE, looks)[0] is None
    assert run(E, DONE, [*looks, *ramp((50, 50))])[0] is not None
