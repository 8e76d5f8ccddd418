"""Laws of the ramp planner."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iocs.ramp import MAX_GAP_S, Ramp, Rates, advance

volts = st.floats(0, 90)
rate = st.floats(0.01, 250)


@given(volts, volts, rate, rate, st.lists(st.floats(0, 5), min_size=1, max_size=30))
def test_never_faster_than_the_rate_and_never_past_the_target(
    start: float, target: float, up: float, down: float, gaps: list[float]
) -> None:
    rates = Rates(up, down, None)
    ramp = Ramp(target, start, 0.0)
    now = 0.0
    for gap in gaps:
        now += gap
        following = advance(ramp, rates, now)
        step = following.present_V - ramp.present_V
        assert -down * min(gap, MAX_GAP_S) - 1e-9 <= step <= up * min(gap, MAX_GAP_S) + 1e-9
        assert min(start, target) <= following.present_V <= max(start, target)
        assert abs(following.target_V - following.present_V) <= abs(ramp.target_V - ramp.present_V)
        ramp = following


@given(volts, volts, st.floats(1, 250))
def test_it_arrives_exactly(start: float, target: float, speed: float) -> None:
    ramp = Ramp(target, start, 0.0)
    for second in range(1, 100):
        ramp = advance(ramp, Rates(speed, speed, None), float(second))
    assert ramp.present_V == target
    assert ramp.finished


@pytest.mark.parametrize(
    ("device", "target", "present"),
    [(None, 57.0, 5.0), (10.0, 57.0, 5.0), (5.0, 57.0, 57.0), (1.0, 57.0, 57.0), (4.0, 0.0, 0.0)],
)
def test_a_device_that_is_slow_enough_gets_the_target_at_once(device: float | None, target: float, present: float) -> None:
    start = 57.0 if target == 0.0 else 0.0
    assert advance(Ramp(target, start, 0.0), Rates(5.0, 5.0, device), 1.0).present_V == present


def test_a_loop_that_was_held_up_does_not_jump() -> None:
    assert advance(Ramp(57.0, 0.0, 0.0), Rates(5.0, 5.0, None), 60.0).present_V == 5.0 * MAX_GAP_S


def test_a_clock_that_stands_moves_nothing() -> None:
    assert advance(Ramp(57.0, 10.0, 5.0), Rates(5.0, 5.0, None), 5.0).present_V == 10.0
