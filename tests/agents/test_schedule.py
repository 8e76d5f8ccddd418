"""Laws of the schedule, whatever the times."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.schedule import Schedule

STEPS = st.lists(st.tuples(st.floats(0, 30), st.booleans()), max_size=60)
INTERVALS = st.floats(0.1, 20)
STARTS = st.floats(0, 1e9)


@given(start=STARTS, interval=INTERVALS, phase=st.floats(0, 1, exclude_max=True), steps=STEPS)
def test_every_slot_is_run_or_missed_and_none_twice(start, interval, phase, steps):
    schedule = Schedule(start, phase * interval, interval)
    now, runs = start, 0
    for step, free in steps:
        now += step
        before = schedule.slot
        schedule, go = schedule.tick(now, free=free)
        assert not go or free
        runs += go
        assert runs + schedule.missed == schedule.slot
        assert schedule.slot >= before
        assert schedule.due() > now
        assert schedule.slot == before or schedule.start + schedule.offset + (schedule.slot - 1) * interval <= now


@given(start=STARTS, interval=INTERVALS, steps=STEPS)
def test_slots_do_not_move(start, interval, steps):
    schedule, now = Schedule(start, 0.0, interval), start
    for step, free in steps:
        now += step
        schedule, _ = schedule.tick(now, free=free)
        assert math.isclose(schedule.due(), start + schedule.slot * interval, rel_tol=1e-12)


@given(interval=INTERVALS, looks=st.lists(st.floats(0, 0.05), min_size=1, max_size=200))
def test_a_run_is_never_before_its_slot_and_less_than_a_look_after_it(interval, looks):
    schedule, now = Schedule(0.0, 0.0, interval), 0.0
    for look in looks:
        now += look
        due = schedule.due()
        schedule, go = schedule.tick(now, free=True)
        if go:
            assert due <= now <= due + look


@pytest.mark.parametrize(
    ("now", "free", "slot", "missed", "go"),
    [
        (9.9, True, 0, 0, False),
        (10.0, True, 1, 0, True),
        (10.0, False, 1, 1, False),
        (14.9, True, 3, 2, True),
        (15.0, False, 3, 3, False),
    ],
)
def test_slots(now, free, slot, missed, go):
    schedule, began = Schedule(8.0, 2.0, 2.0).tick(now, free=free)
    assert (schedule.slot, schedule.missed, began) == (slot, missed, go)


def test_another_interval_counts_from_now_and_keeps_what_was_missed():
    schedule, _ = Schedule(0.0, 0.0, 1.0).tick(5.5, free=False)
    changed = schedule.again(7.0, 3.0, 1.0)
    assert (changed.due(), changed.missed) == (8.0, 6)
