"""What holds for every sequence of events."""

from hypothesis import given
from hypothesis import strategies as st

from alarms.level import Level
from alarms.state import Rules
from tests.alarms.replay import Replay

REPORTS = st.sampled_from(["ok", "minor", "minor/LOW", "major", "major/LOLO", "invalid", "undefined"])
CONNECTED = st.sampled_from(["ok", "minor", "major", "invalid"])
PEOPLE = st.sampled_from(["ack", "unack", "disable", "enable"])
TIMES = st.sampled_from(["+1", "+4", "+11"])
EVENTS = st.lists(REPORTS | PEOPLE | TIMES, max_size=30)
RULES = st.builds(Rules, latching=st.booleans(), delay_s=st.sampled_from([0, 5]), count=st.sampled_from([0, 2, 3]))


UNCOVERING = (Level.UNDEFINED, Level.UNDEFINED_ACK, Level.INVALID_ACK)
"""A valid alarm that comes after these is news, whatever it ranks."""


def replayed(rules, events):
    replay = Replay(rules)
    for event in events:
        replay.step(event)
        yield event, replay.state


@given(RULES, EVENTS)
def test_acknowledged_exactly_while_somebody_is_named(rules, events):
    for _, state in replayed(rules, events):
        assert state.alarm.level.is_acknowledged == (state.acknowledgement is not None)


@given(st.booleans(), EVENTS)
def test_without_delay_nothing_worse_than_what_is_shown_is_ever_reported(latching, events):
    for _, state in replayed(Rules(latching=latching), events):
        if state.enabled:
            assert state.alarm.level.rank >= state.current.level.rank


@given(st.lists(REPORTS | TIMES, max_size=30))
def test_not_latching_shows_what_the_pv_reports(events):
    for _, state in replayed(Rules(latching=False), events):
        assert state.alarm.level is state.current.level


@given(st.lists(CONNECTED | TIMES, max_size=30), st.sampled_from([0, 5]))
def test_latched_never_falls_by_itself(events, delay):
    highest = 0
    for _, state in replayed(Rules(delay_s=delay), events):
        assert state.alarm.level.rank >= highest
        highest = state.alarm.level.rank


@given(RULES, EVENTS)
def test_acknowledging_leaves_nothing_active_that_was(rules, events):
    replay = Replay(rules)
    for event in events:
        replay.step(event)
    assert not replay.step("ack").state.alarm.level.active


@given(RULES, EVENTS)
def test_a_pending_alarm_outranks_what_is_shown_and_ends(rules, events):
    replay = Replay(rules)
    for event in events:
        state = replay.step(event).state
        if state.pending is not None:
            assert rules.delay_s > 0
            assert state.pending.state.outranks(state.alarm)
    assert replay.step("+6").state.pending is None


@given(st.booleans(), st.lists(REPORTS | PEOPLE | TIMES, max_size=20))
def test_disabling_and_enabling_changes_nothing(latching, events):
    replay = Replay(Rules(latching=latching))
    for event in [*events, "enable"]:
        replay.step(event)
    before = replay.state
    replay.run("disable>OK enable")
    after = replay.state
    assert (after.alarm.level, after.acknowledgement, after.before) == (
        before.alarm.level,
        before.acknowledgement,
        before.before,
    )


@given(st.booleans(), st.lists(CONNECTED | PEOPLE | TIMES, max_size=20), st.sampled_from(["minor", "major", "invalid"]))
def test_a_disconnection_hides_no_alarm(latching, events, now):
    replay = Replay(Rules(latching=latching))
    for event in [*events, "enable", now]:
        replay.step(event)
    before = replay.state
    replay.run(f"undefined>UNDEFINED! {now}")
    assert (replay.state.alarm.level, replay.state.acknowledgement) == (before.alarm.level, before.acknowledgement)


@given(RULES, EVENTS)
def test_raised_means_ranked_higher(rules, events):
    replay = Replay(rules)
    for event in events:
        before = replay.state.alarm.level
        step = replay.step(event)
        if event in ("ack", "unack", "disable"):
            assert step.raised is None
        elif step.raised is not None and event != "enable" and before not in UNCOVERING:
            assert step.raised.rank > before.rank


@given(EVENTS)
def test_a_pv_that_is_ok_and_acknowledged_is_clear(events):
    replay = Replay()
    for event in [*events, "enable", "ok", "ack"]:
        replay.step(event)
    assert replay.state.alarm.level is Level.OK
