"""Laws of the sums: overlaps count once, nothing outside the window counts, clocks that go on stop at now."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logbook.downtime.statistics import Interval, Share, clip, cumulated, down_s, pareto, total_s, union

ZERO = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Stop:
    detector: str
    category: str
    started_at: datetime
    ended_at: datetime | None


def at(minute: int) -> datetime:
    return ZERO + timedelta(minutes=minute)


def stop(start: int, end: int | None, category: str = "DAQ", detector: str = "NEAR") -> Stop:
    return Stop(detector, category, at(start), None if end is None else at(end))


minutes = st.integers(-50, 50)
intervals = st.tuples(minutes, minutes).map(lambda pair: Interval(at(min(pair)), at(max(pair))))
stops = st.builds(
    lambda start, length, category, detector: stop(start, None if length is None else start + length, category, detector),
    minutes,
    st.none() | st.integers(0, 40),
    st.sampled_from(["DAQ", "Beam", "UNDECIDED"]),
    st.sampled_from(["NEAR", "FAR"]),
)


def covered(parts: list[Interval]) -> set[int]:
    """Minutes that at least one interval covers: the same sum, done the slow way."""
    return {minute for part in parts for minute in range(-60, 120) if part.start <= at(minute) < part.end}


@given(st.lists(intervals, max_size=12))
def test_a_union_covers_the_same_minutes_and_nothing_twice(parts: list[Interval]) -> None:
    joined = union(parts)
    assert covered(joined) == covered(parts)
    assert all(before.end < after.start for before, after in pairwise(joined))
    assert union(joined) == joined
    assert total_s(parts) == 60 * len(covered(parts))


@given(st.lists(stops, max_size=12), intervals, minutes)
def test_down_time_is_at_most_the_window_and_at_most_the_sum_of_categories(
    found: list[Stop], window: Interval, now: int
) -> None:
    down = down_s(found, window, at(now))
    shares = pareto(found, window, at(now))
    assert 0 <= down <= window.seconds
    assert down <= sum(share.down_s for share in shares) + 1e-9
    assert sum(share.events for share in shares) == len(clip(found, window, at(now)))
    assert [share.down_s for share in shares] == sorted((share.down_s for share in shares), reverse=True)
    line = cumulated(shares)
    assert not line or line[-1] == pytest.approx(1)


@given(st.lists(stops, max_size=12), intervals, minutes, minutes)
def test_two_halves_of_a_window_make_the_whole(found: list[Stop], window: Interval, now: int, cut: int) -> None:
    middle = min(max(at(cut), window.start), window.end)
    halves = Interval(window.start, middle), Interval(middle, window.end)
    assert sum(down_s(found, half, at(now)) for half in halves) == down_s(found, window, at(now))


@given(st.lists(stops, max_size=12), intervals, minutes)
def test_every_part_lies_in_the_window(found: list[Stop], window: Interval, now: int) -> None:
    for _, part in clip(found, window, at(now)):
        assert window.start <= part.start < part.end <= window.end


def test_a_pareto_by_hand() -> None:
    found = [
        stop(-10, 10),  # half of it before the window
        stop(5, 20),  # overlaps
        stop(5, 20, detector="FAR"),  # another detector adds up
        stop(30, None, "Beam"),  # goes on until now
        stop(70, 80, "Beam"),  # after the window
        stop(40, 40, "Other"),  # no time at all
    ]
    window = Interval(at(0), at(60))
    assert pareto(found, window, at(45)) == (Share("DAQ", 3, 35 * 60), Share("Beam", 1, 15 * 60))
    assert cumulated(pareto(found, window, at(45))) == (0.7, 1.0)
    assert down_s(found, window, at(45)) == 35 * 60
