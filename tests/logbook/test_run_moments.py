"""Means over time: against a sum by hand, and the law that parts add up to the whole."""

import json
import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from logbook.archive import steps_of as steps_of_entry
from logbook.moments import NOT_TAKEN, Moments, Steps, moments, summary
from sipmdcs.clock import NS

START, END = 1000 * NS, 1100 * NS

times = st.integers(900, 1200)
values = st.one_of(st.floats(-1e6, 1e6), st.just(math.nan), st.just(math.inf))
samples = st.lists(st.tuples(times, values, st.integers(0, 3)), max_size=12).map(
    lambda found: sorted(found, key=lambda one: one[0])
)


def steps_of(found: list[tuple[int, float, int]]) -> Steps:
    return Steps(
        np.array([one[0] * NS for one in found], np.int64),
        np.array([one[1] for one in found], np.float64),
        np.array([one[2] for one in found], np.int8),
        np.ones(len(found), np.bool_),
    )


def by_hand(found: list[tuple[int, float, int]], start: int, end: int) -> Moments:
    """Second by second."""
    held: list[float] = []
    alarm = invalid = 0
    for second in range(start, end):
        now = [one for one in found if one[0] <= second]
        if not now:
            invalid += 1
            continue
        _, value, severity = now[-1]
        valid = severity < 3 and math.isfinite(value)
        alarm += 0 < severity <= 3
        invalid += not valid
        held += [value] if valid else []
    seen = held + [value for at, value, severity in found if start <= at < end and severity < 3 and math.isfinite(value)]
    mean = math.fsum(held) / len(held) if held else 0.0
    return Moments(
        sum(start <= one[0] < end for one in found),
        len(held) * NS,
        mean,
        math.fsum((value - mean) ** 2 for value in held) * NS,
        min(seen, default=math.inf),
        max(seen, default=-math.inf),
        alarm * NS,
        invalid * NS,
    )


def same(one: Moments, other: Moments) -> None:
    assert (one.samples, one.valid_ns, one.alarm_ns, one.invalid_ns) == (
        other.samples,
        other.valid_ns,
        other.alarm_ns,
        other.invalid_ns,
    )
    assert (one.minimum, one.maximum) == (other.minimum, other.maximum)
    scale = max(
        abs(one.mean), abs(other.mean), *(abs(bound) for bound in (one.minimum, one.maximum) if math.isfinite(bound)), 1.0
    )
    assert one.mean == pytest.approx(other.mean, abs=1e-9 * scale)
    assert one.squares == pytest.approx(other.squares, rel=1e-6, abs=1e-9 * scale * scale * max(one.valid_ns, 1))


@given(samples)
def test_against_a_sum_by_hand(found) -> None:
    same(moments(steps_of(found), START, END), by_hand(found, START // NS, END // NS))


@given(samples, st.lists(st.integers(1000, 1100), max_size=4))
def test_parts_add_up_to_the_whole(found, cuts) -> None:
    steps = steps_of(found)
    edges = [START, *(cut * NS for cut in sorted(cuts)), END]
    same(sum((moments(steps, *part) for part in pairwise(edges)), Moments()), moments(steps, START, END))


def test_figures() -> None:
    found = summary(moments(steps_of([(990, 1.0, 0), (1050, 3.0, 1), (1075, 5.0, 3)]), START, END))
    assert found.samples == 2
    assert found.mean == pytest.approx((50 * 1 + 25 * 3) / 75)
    assert (found.minimum, found.maximum) == (1.0, 3.0)
    assert found.rms == pytest.approx(math.sqrt(50 * 25) * 2 / 75)
    assert (found.alarm_s, found.invalid_s) == (50.0, 25.0)


def test_no_value_is_no_number() -> None:
    found = summary(moments(steps_of([(1010, math.nan, 0)]), START, END))
    assert (found.mean, found.minimum, found.maximum, found.rms) == (None,) * 4
    assert (found.samples, found.invalid_s) == (1, 100.0)


def test_small_changes_of_a_large_value_keep_their_digits() -> None:
    found = summary(moments(steps_of([(1000, 1e9, 0), (1050, 1e9 + 1e-3, 0)]), START, END))
    assert found.rms == pytest.approx(5e-4, rel=1e-3)


def test_what_is_in_a_gap_counts_as_invalid() -> None:
    """Lost at 1020, known again at 1040 with the value it had, lost at 1090 and not back; what came in a gap is hidden."""
    seconds, value = [995, 1010, 1045, 1060, 1095], [1.0, 2.0, 3.0, 4.0, 9.0]
    gaps = [[1020 * NS, 1040 * NS, "disconnected"], [1090 * NS, None, "archiver down"]]
    data = [{"secs": at, "nanos": 0, "val": val, "severity": 0} for at, val in zip(seconds, value, strict=True)]
    steps = steps_of_entry({"meta": {"name": "D:A", "gaps": json.dumps(gaps)}, "data": data})
    found = summary(moments(steps, START, END))
    assert (found.minimum, found.maximum, found.invalid_s) == (1.0, 4.0, 30.0)
    assert found.mean == pytest.approx((10 * 1 + 10 * 2 + 5 * 2 + 15 * 3 + 30 * 4) / 70)
    assert (found.samples, found.alarm_s) == (4, 0.0)


def test_not_taken_is_no_alarm() -> None:
    steps = Steps(np.array([START]), np.array([math.nan]), np.array([NOT_TAKEN], np.int8), np.array([False]))
    found = moments(steps, START, END)
    assert (found.samples, found.alarm_ns, found.invalid_ns) == (0, 0, END - START)
