"""Of many events few are read, and none of those that matter is among the others."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from alarms.coalesce import beginnings, few_of, worth_reading
from alarms.intake import Intake
from alarms.level import Level
from alarms.state import AlarmState
from alarms.tree import Leaf, grow
from sipmdcs.channels import EVENT, Kind
from sipmdcs.severity import Severity, Status

REPORTS = st.tuples(st.integers(0, 2), st.sampled_from([0, 1, 2, 3]), st.sampled_from([Status.HIHI, Status.STATE]))


def events(reports):
    rows = [(n, n, float(n % 3), pv, 0, status, severity, Kind.SCALAR) for n, (pv, severity, status) in enumerate(reports)]
    return np.array(rows, EVENT)


@given(st.lists(REPORTS, max_size=60), st.integers(2, 6))
def test_the_worst_and_the_newest_of_each_pv_are_read_in_order_and_few_altogether(reports, most):
    batch = events(reports)
    chosen = worth_reading(batch, most)
    assert list(chosen) == sorted(chosen)
    for pv in range(3):
        all_of = [index for index in range(len(batch)) if batch["pv"][index] == pv]
        read = [index for index in chosen if batch["pv"][index] == pv]
        assert len(read) <= most
        if all_of:
            assert read[-1] == all_of[-1]
            assert max(batch["severity"][read]) == max(batch["severity"][all_of])


def test_few_events_are_all_read_except_repetitions():
    assert list(worth_reading(events([]), 8)) == []
    same = (0, Severity.MAJOR, Status.HIHI)
    assert list(worth_reading(events([same, same, (1, 0, 0), same, (0, 0, 0), same]), 8)) == [2, 3, 4, 5]


def test_one_fault_after_another_is_no_repetition():
    fault = (0, Severity.MAJOR, Status.STATE)
    assert list(worth_reading(events([fault, fault]), 8)) == [0, 1]


KINDS = st.sampled_from([Kind.CONNECTED, Kind.METADATA, Kind.SCALAR, Kind.DISCONNECTED])


@given(st.lists(st.tuples(st.integers(0, 2), KINDS, st.booleans()), max_size=20))
def test_a_pv_begins_with_its_connection_and_what_it_says_of_itself(reports):
    rows = [(n, n, 0.0, pv, payload, 0, 0, kind) for n, (pv, kind, payload) in enumerate(reports)]
    connected, told = beginnings(np.array(rows, EVENT))
    for pv in range(3):
        places = [n for n, report in enumerate(reports) if report[0] == pv]
        first, second, *_ = [*places, None, None]
        connects = first is not None and reports[first][1] is Kind.CONNECTED
        tells = connects and second is not None and reports[second][1:] == (Kind.METADATA, True)
        assert [n for n in places if connected[n]] == [first] * connects
        assert [n for n in places if told[n]] == [second] * tells


LEVELS = st.sampled_from([Level.OK, Level.MINOR, Level.MAJOR, Level.UNDEFINED])


@given(st.lists(LEVELS, min_size=1, max_size=60), st.integers(2, 6))
def test_what_nobody_takes_is_bounded_and_keeps_the_worst_and_the_newest(levels, most):
    states = [AlarmState(level, level.name, "", n) for n, level in enumerate(levels)]
    few = few_of(states, most, lambda state: state)
    assert len(few) <= most
    assert few[-1] == states[-1]
    assert max(state.level for state in few) == max(levels)
    assert [state.time_ns for state in few] == sorted(state.time_ns for state in few)


def test_intake_gives_those_who_have_waited_longest_and_stays_small():
    intake = Intake(grow([Leaf(pv, ("DET",)) for pv in "ABCD"], {}), 4)
    assert not intake
    for n in range(1000):
        level = Level.MAJOR if n == 500 else Level.OK if n % 2 else Level.MINOR
        intake.add((pv, AlarmState(level, level.name, "", n)) for pv in ("B", "A"))
    intake.mask({"C": True})
    intake.mask({"C": False, "B": True})
    intake.expire(["A", "D"])
    taken = intake.take(1)
    assert (taken.pvs, taken.masks) == (["B"], {"B": True})
    assert {pv for pv, _ in taken.reports} == {"B"}
    assert len(taken.reports) <= 4
    assert [state.level for _, state in taken.reports if state.level is Level.MAJOR] == [Level.MAJOR]
    assert taken.reports[-1][1].time_ns == 999
    assert intake
    taken = intake.take(9)
    assert (taken.pvs, taken.masks) == (["A", "C", "D"], {"C": False})
    assert {pv for pv, _ in taken.reports} == {"A"}
    assert not intake
