from hypothesis import given
from hypothesis import strategies as st

from alarms.banner import Banner
from alarms.level import Level
from alarms.state import AlarmState

ALL = list(Level)


def alarm(level: Level, time_ns: int) -> AlarmState:
    return AlarmState(level, "why", "1", time_ns)


def banner_choice(active, rows):
    banner = Banner()
    for pv, state in active:
        banner.note(pv, state)
    return banner.choice(rows)


def test_flood_of_lost_pvs_leaves_room_for_a_real_alarm():
    flood = [(f"LOST{n}", alarm(Level.UNDEFINED, 100 + n)) for n in range(300)]
    chosen = banner_choice([("HOT", alarm(Level.MAJOR, 5)), *flood], 10)
    assert [pv for pv, _ in chosen] == [*(f"LOST{n}" for n in range(299, 290, -1)), "HOT"]


def test_real_alarms_leave_half_to_lost_pvs():
    real = [(f"HOT{n}", alarm(Level.MAJOR, 100 + n)) for n in range(30)]
    lost = [(f"LOST{n}", alarm(Level.INVALID, n)) for n in range(30)]
    levels = [state.level for _, state in banner_choice(real + lost, 10)]
    assert levels == [Level.MAJOR] * 5 + [Level.INVALID] * 5


@given(
    st.lists(st.tuples(st.integers(0, 3), st.sampled_from(ALL), st.integers(0, 1), st.booleans()), max_size=300),
    st.integers(1, 12),
)
def test_as_many_as_fit_newest_first_after_any_changes(found, rows):
    banner, active, held, made = Banner(), {}, 0, {}
    for pv, level, time_ns, look in found:
        state = made.setdefault((pv, level, time_ns), alarm(level, time_ns))
        banner.note(f"PV{pv}", state)
        active.pop(f"PV{pv}", None)
        if level.active:
            active[f"PV{pv}"] = state
        if look:
            banner.choice(rows)
        held = max(held, banner.held)
    chosen = banner.choice(rows)
    assert len(chosen) == min(rows, len(active))
    assert all(active[pv] is state for pv, state in chosen)
    assert len({pv for pv, _ in chosen}) == len(chosen)
    for lost in (False, True):
        kind = [pv for pv, state in active.items() if (state.level >= Level.INVALID) is lost]
        shown = [pv for pv, _ in chosen if pv in kind]
        assert shown == sorted(kind, key=lambda pv: (-active[pv].time_ns, pv))[: len(shown)]
    times = [state.time_ns for _, state in chosen]
    assert times == sorted(times, reverse=True)
    assert held <= 2 * 4 + 65, "what is over is forgotten"
