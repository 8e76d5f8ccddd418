"""What an answer of the archive says was known at each time: laws, and one table that the screens and the page both read."""

import json
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipmdcs.clock import NS
from sipmdcs.history import Gap, Reading, covers, gap_within, gaps_of, in_gap, merged, read_answer

TIMES = st.integers(0, 40)
GAPS = st.lists(
    st.builds(lambda a, b: Gap(a, None if b is None else a + b, "x"), TIMES, st.none() | st.integers(0, 15)), max_size=5
)
SAMPLES = st.dictionaries(TIMES, st.sampled_from([1.0, 2.0, float("nan")]), max_size=10)


def reading(samples: dict[int, float], gaps: list[Gap]) -> Reading:
    times = sorted(samples)
    return Reading(np.array(times, np.int64), np.array([samples[time] for time in times]), merged(gaps))


def slowly(samples: dict[int, float], gaps: list[Gap], at: int) -> float:
    """One time after the other: the newest sample, unless any gap holds the time."""
    if any(gap.lost_ns <= at < gap.end_ns for gap in gaps):
        return float("nan")
    return next((samples[time] for time in sorted(samples, reverse=True) if time <= at), float("nan"))


@given(SAMPLES, GAPS)
def test_a_value_holds_until_the_next_one_and_never_over_a_gap(samples: dict[int, float], gaps: list[Gap]) -> None:
    times = np.arange(60)
    found = reading(samples, gaps).at(times)
    np.testing.assert_equal(found, [slowly(samples, gaps, at) for at in times.tolist()])


@given(SAMPLES, GAPS, TIMES, TIMES, TIMES)
def test_any_split_of_an_interval_says_the_same_as_the_whole(
    samples: dict[int, float], gaps: list[Gap], a: int, b: int, c: int
) -> None:
    low, middle, high = sorted((a, b, c))
    whole = reading(samples, gaps)

    def drawn(from_ns: int, to_ns: int) -> list[float]:
        """The value at every time of an interval, from the steps alone."""
        times, values = whole.steps(from_ns, to_ns)
        assert from_ns == to_ns or times[0] == from_ns
        place = np.searchsorted(times, np.arange(from_ns, to_ns), "right") - 1
        return values[place].tolist()

    np.testing.assert_equal(drawn(low, middle) + drawn(middle, high), drawn(low, high))
    np.testing.assert_equal(drawn(low, high), [slowly(samples, gaps, at) for at in range(low, high)])


@given(GAPS)
def test_merged_gaps_cover_the_same_times_and_do_not_touch(gaps: list[Gap]) -> None:
    times = np.arange(80)
    found = merged(gaps)
    assert in_gap(found, times).tolist() == [any(gap.lost_ns <= at < gap.end_ns for gap in gaps) for at in times.tolist()]
    assert all(first.end_ns < second.lost_ns for first, second in pairwise(found))


S = 1_767_225_600
DOWN = "archiver down"


def entry(samples: list[tuple[float, float | None, int]], gaps: list[tuple[float, float | None, str]]) -> dict[str, Any]:
    """An answer: samples of seconds, value and severity, gaps of seconds and reason; seconds after ``S``."""

    def ns(seconds: float | None) -> int | None:
        return None if seconds is None else S * NS + round(seconds * NS)

    listed = [[ns(lost), ns(known), why] for lost, known, why in gaps]
    data = [
        {"secs": S + int(at), "nanos": round(at % 1 * 1e9), "val": value, "severity": severity}
        for at, value, severity in samples
    ]
    return {"meta": {"name": "P", "gaps": json.dumps(listed)} if gaps else {"name": "P"}, "data": data}


NAN = float("nan")
TABLE = [
    ("steady, nothing happened", entry([(-600, 5.0, 0)], []), [5, 5, 5, 5, 5, 5]),
    ("steady over an archiver restart", entry([(-600, 5.0, 0)], [(12, 38, DOWN)]), [5, 5, NAN, 5, 5, 5]),
    ("steady, disconnected now", entry([(-600, 5.0, 0)], [(25, None, "disconnected")]), [5, 5, 5, NAN, NAN, NAN]),
    (
        "known again with another value",
        entry([(-600, 5.0, 0), (32, 7.0, 0)], [(8, 32, "disconnected")]),
        [5, NAN, NAN, 7, 7, 7],
    ),
    (
        "one sample between two gaps",
        entry([(1, 5.0, 0), (22, 6.0, 0)], [(2, 22, DOWN), (23, 45, DOWN)]),
        [5, NAN, 6, NAN, 6, 6],
    ),
    ("first sample within", entry([(15, 5.0, 0)], []), [NAN, 5, 5, 5, 5, 5]),
    ("invalid for a while", entry([(-1, 5.0, 0), (10, 5.0, 3), (30, 6.0, 0)], []), [5, NAN, NAN, 6, 6, 6]),
    ("not a number", entry([(-1, None, 0), (30, 6.0, 0)], []), [NAN, NAN, NAN, 6, 6, 6]),
    ("a gap shorter than a bin", entry([(-600, 5.0, 0)], [(12, 13, "events lost: too many at once")]), [5, 5, 5, 5, 5, 5]),
]
"""Answers, and the value known last in each of the six bins of ten seconds."""


@pytest.mark.parametrize(("answer", "expected"), [pytest.param(*row[1:], id=row[0]) for row in TABLE])
def test_what_is_known_in_bins(answer: dict[str, Any], expected: list[float]) -> None:
    """Every bin says what the steps in it say last that is known."""
    found = read_answer(answer)
    values: list[float] = []
    for start in range(S, S + 60, 10):
        _, steps = found.steps(start * NS, (start + 10) * NS)
        values.append(next((value for value in steps[::-1].tolist() if value == value), NAN))
        gap = gap_within(found.gaps, start * NS, (start + 10) * NS)
        if gap is not None and covers(gap, start * NS, (start + 10) * NS):
            assert np.isnan(values[-1])
    np.testing.assert_equal(values, expected)


def test_gaps_of_the_archiver_appliance_are_in_its_fields() -> None:
    back = {"secs": S + 30, "nanos": 0, "val": 5.0, "fields": {"cnxlostepsecs": str(S + 20), "cnxregainedepsecs": str(S + 31)}}
    answer = {"meta": {"cnxlostepsecs": str(S + 50)}, "data": [{"secs": S, "nanos": 0, "val": 5.0}, back]}
    lost = [(gap.lost_ns, gap.known_ns) for gap in gaps_of(answer)]
    assert lost == [((S + 20) * NS, (S + 30) * NS), ((S + 50) * NS, None)]


@pytest.mark.parametrize(
    "answer",
    [
        {},
        [],
        {"data": [{"secs": 1}]},
        {"data": [{"secs": 1, "val": "x"}]},
        {"data": [], "meta": {"gaps": "[1]"}},
        {"data": [], "meta": {"gaps": "{"}},
        {"data": [{"secs": 10**30, "val": 1}]},
    ],
)
def test_other_shapes_are_refused(answer: Any) -> None:
    with pytest.raises(ValueError, match="not an answer"):
        read_answer(answer)
