from hypothesis import given
from hypothesis import strategies as st

from alarms.banner import banner_choice
from alarms.level import Level
from alarms.state import AlarmState

ACTIVE = [level for level in Level if level.active]


def alarm(level: Level, time_ns: int) -> AlarmState:
    return AlarmState(level, "why", "1", time_ns)


def test_flood_of_lost_pvs_leaves_room_for_a_real_alarm():
    flood = [(f"LOST{n}", alarm(Level.UNDEFINED, 100 + n)) for n in range(300)]
    chosen = banner_choice([("HOT", alarm(Level.MAJOR, 5)), *flood], 10)
    assert [pv for pv, _ in chosen] == [*(f"LOST{n}" for n in range(299, 290, -1)), "HOT"]


def test_real_alarms_leave_half_to_lost_pvs():
    real = [(f"HOT{n}", alarm(Level.MAJOR, 100 + n)) for n in range(30)]
    lost = [(f"LOST{n}", alarm(Level.INVALID, n)) for n in range(30)]
    levels = [state.level for _, state in banner_choice(real + lost, 10)]
    assert levels == [Level.MAJOR] * 5 + [Level.INVALID] * 5


@given(st.lists(st.tuples(st.sampled_from(ACTIVE), st.integers(0, 50)), max_size=40), st.integers(1, 12))
def test_as_many_as_fit_newest_first(found, rows):
    active = [(f"PV{n}", alarm(level, time)) for n, (level, time) in enumerate(found)]
    chosen = banner_choice(active, rows)
    assert len(chosen) == min(rows, len(active))
    assert set(chosen) <= set(active)
    times = [state.time_ns for _, state in chosen]
    assert times == sorted(times, reverse=True)
