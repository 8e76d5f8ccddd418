"""Every numbered rule of the Phoebus logic as one line; see ``Replay`` for the language, ADR 0170 for what differs."""

import pytest

from alarms import logic
from alarms.level import Level
from alarms.logic import adopt
from alarms.state import DISABLED, MASKED, AlarmState, Rules
from tests.alarms.replay import Replay

LATCHING = Rules()
FOLLOWING = Rules(latching=False)
DELAYED = Rules(delay_s=10)
DELAYED_FOLLOWING = Rules(latching=False, delay_s=10)
COUNTED = Rules(delay_s=10, count=3)

CASES = [
    # 1.2 update
    ("takes an alarm", LATCHING, "minor>MINOR! major>MAJOR! invalid>INVALID! undefined>UNDEFINED!"),
    ("latches the highest", LATCHING, "major>MAJOR! minor>MAJOR ok>MAJOR minor>MAJOR invalid>INVALID!"),
    ("same severity with another reason is no rise", LATCHING, "minor/HIGH>MINOR! minor/LOW>MINOR"),
    ("follows when not latching", FOLLOWING, "major>MAJOR! minor>MINOR major>MAJOR! ok>OK minor>MINOR! ok>OK"),
    ("INVALID then MAJOR when latching", LATCHING, "invalid>INVALID! major>INVALID ack>MAJOR_ACK"),
    # 1.3 acknowledge
    ("acknowledge, then PV recovers", LATCHING, "major>MAJOR! ack>MAJOR_ACK ok>OK"),
    ("PV recovers, then acknowledge", LATCHING, "major>MAJOR! ok>MAJOR ack>OK"),
    ("acknowledged MAJOR absorbs MAJOR and MINOR", LATCHING, "major ack>MAJOR_ACK minor>MAJOR_ACK major>MAJOR_ACK"),
    ("INVALID is news over acknowledged MAJOR", LATCHING, "major ack>MAJOR_ACK invalid>INVALID! ack>INVALID_ACK"),
    ("acknowledged INVALID covers no valid alarm", LATCHING, "invalid ack>INVALID_ACK major>MAJOR! ack>MAJOR_ACK ok>OK"),
    ("the same when not latching", FOLLOWING, "invalid ack>INVALID_ACK minor>MINOR! ok>OK"),
    ("acknowledged INVALID absorbs INVALID and goes with OK", LATCHING, "invalid ack invalid/READ>INVALID_ACK ok>OK"),
    ("acknowledged INVALID absorbs INVALID for another reason", LATCHING, "invalid ack invalid/COMM>INVALID_ACK ok>OK"),
    ("acknowledged stays when not latching", FOLLOWING, "major ack>MAJOR_ACK minor>MAJOR_ACK ok>OK"),
    ("fallen alarm is acknowledged as what it is", LATCHING, "major minor>MAJOR ack>MINOR_ACK major>MAJOR!"),
    ("acknowledge twice", LATCHING, "major ack>MAJOR_ACK ack>MAJOR_ACK"),
    ("acknowledge nothing", LATCHING, "ack>OK minor>MINOR!"),
    ("un-acknowledge", LATCHING, "major ack>MAJOR_ACK unack>MAJOR ok>MAJOR"),
    ("un-acknowledge gives what the PV reports", LATCHING, "major ack minor>MAJOR_ACK unack>MINOR"),
    ("un-acknowledge keeps a latch nobody acknowledged", LATCHING, "major ok>MAJOR unack>MAJOR"),
    ("again after it cleared", LATCHING, "minor ack ok>OK minor>MINOR!"),
    # 1.4 delay
    ("delay passes", DELAYED, "major>OK +9>OK +1>MAJOR!"),
    ("OK within the delay cancels", DELAYED, "major>OK +9>OK ok>OK +5>OK"),
    ("latching: highest within the delay", DELAYED, "minor>OK +2 major>OK +2 minor>OK +6>MAJOR! ok>MAJOR"),
    ("following: last within the delay", DELAYED_FOLLOWING, "minor>OK +2 major>OK +2 minor>OK +6>MINOR! ok>OK"),
    ("a rise waits, what is held stays", DELAYED, "minor +10>MINOR! major>MINOR +9>MINOR +1>MAJOR!"),
    ("latching: a rise that fell within its delay", DELAYED, "minor +10>MINOR! major>MINOR +2 minor>MINOR +8>MAJOR!"),
    ("the shortest delay", Rules(delay_s=1), "major>OK +1>MAJOR!"),
    ("timer is not restarted", DELAYED, "minor>OK +8 major>OK +2>MAJOR!"),
    ("next delay is a full one", DELAYED, "minor>OK +8 ok>OK +1 minor>OK +8>OK +2>MINOR!"),
    ("a short MAJOR over MINOR does not count", DELAYED, "minor +10>MINOR! major>MINOR +5 ok>MINOR +20>MINOR"),
    ("following: OK forgets what is pending", DELAYED_FOLLOWING, "minor +10>MINOR! major>MINOR +5 ok>OK +20>OK"),
    ("following: a fall is not delayed", DELAYED_FOLLOWING, "major +10>MAJOR! minor>MINOR ok>OK"),
    ("following: back to what is held", DELAYED_FOLLOWING, "minor +10>MINOR! major>MINOR +2 minor>MINOR +20>MINOR"),
    ("following: pending falls below acknowledged", DELAYED_FOLLOWING, "major +10 ack invalid>MAJOR_ACK minor +20>MAJOR_ACK"),
    ("acknowledging covers what is shown", DELAYED, "minor +10>MINOR! major>MINOR ack>MINOR_ACK +10>MAJOR!"),
    ("acknowledging does not cancel a delay", DELAYED, "major>OK ack>OK +10>MAJOR!"),
    # 1.4 count
    ("as often as count within delay", COUNTED, "major>OK +1 ok>OK +1 major>OK +1 ok>OK +1 major>MAJOR!"),
    ("count spread wider than delay", COUNTED, "major>OK +4 ok>OK +4 major>OK +4 ok>OK +4 major>OK ok>OK +20>OK"),
    ("count starts anew after it fired", COUNTED, "major ok +1 major ok +1 major>MAJOR! ack ok>OK +1 major>OK +1 ok>OK"),
    ("exactly the delay is within it", COUNTED, "major ok +5 major ok +5 major>MAJOR!"),
    ("count of one: at once", Rules(delay_s=10, count=1), "major>MAJOR!"),
    ("count without delay: at once", Rules(count=3), "major>MAJOR!"),
    # 1.5 disable
    ("disabled shows OK", LATCHING, "major>MAJOR! disable>OK minor>OK enable>MAJOR"),
    ("acknowledgement survives disabling", LATCHING, "major ack disable>OK minor>OK enable>MAJOR_ACK"),
    ("acknowledged alarm gone while disabled", LATCHING, "major ack disable>OK ok>OK enable>OK"),
    ("rise while disabled is news when enabled", LATCHING, "minor ack disable>OK major>OK enable>MAJOR!"),
    ("latch survives disabling", LATCHING, "major disable>OK ok>OK enable>MAJOR"),
    ("following while disabled", FOLLOWING, "major disable>OK minor>OK enable>MINOR"),
    ("disable twice, enable twice", LATCHING, "major disable>OK disable>OK enable>MAJOR enable>MAJOR"),
    ("a delay starts anew when enabled", DELAYED, "major>OK +8 disable>OK +8>OK enable>OK +8>OK +2>MAJOR!"),
    ("acknowledging what is disabled does nothing", LATCHING, "major disable>OK ack>OK enable>MAJOR"),
    # 1.7 disconnected
    ("UNDEFINED latches", LATCHING, "ok undefined>UNDEFINED! ok>UNDEFINED ack>OK"),
    ("UNDEFINED follows when not latching", FOLLOWING, "ok undefined>UNDEFINED! ok>OK"),
    ("latched UNDEFINED gives way to a real alarm", LATCHING, "undefined ok>UNDEFINED minor>MINOR! ok>MINOR"),
    ("latch from before comes back", LATCHING, "major ok>MAJOR undefined>UNDEFINED! ok>MAJOR"),
    ("acknowledgement from before comes back", LATCHING, "major ack undefined>UNDEFINED! major>MAJOR_ACK"),
    ("a real alarm under UNDEFINED shows", LATCHING, "ok undefined>UNDEFINED! major>MAJOR! ok>MAJOR"),
    ("acknowledged UNDEFINED hides no real alarm", LATCHING, "undefined ack>UNDEFINED_ACK major>MAJOR!"),
    ("UNDEFINED acknowledged twice over", LATCHING, "undefined ack>UNDEFINED_ACK unack>UNDEFINED ok>UNDEFINED"),
    ("disconnected shorter than the delay", DELAYED, "undefined>OK +5 ok>OK +10>OK"),
    ("disconnected longer than the delay", DELAYED, "undefined>OK +10>UNDEFINED! ok>UNDEFINED ack>OK"),
    ("back in alarm within the delay waits anew, as what it is", DELAYED, "undefined +5 major +5>OK +5>MAJOR!"),
    ("acknowledged UNDEFINED for another reason", LATCHING, "major undefined ack>UNDEFINED_ACK undefined/Gone>UNDEFINED_ACK"),
    ("disconnected while disabled", LATCHING, "major ack disable undefined>OK major>OK enable>MAJOR_ACK"),
    ("disabled while disconnected", LATCHING, "major undefined disable>OK ok>OK enable>MAJOR"),
    ("un-acknowledge while disconnected and delayed", DELAYED, "major +10 ack undefined>MAJOR_ACK unack>UNDEFINED major>MAJOR"),
]


@pytest.mark.parametrize(("rules", "script"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_rule(rules, script):
    Replay(rules).run(script)


def test_latch_flag_is_set_only_in_the_update_that_latched():
    replay = Replay()
    assert replay.step("major").state.alarm.latch
    assert not replay.step("minor").state.alarm.latch
    assert not replay.step("major").state.alarm.latch


def test_latched_alarm_keeps_value_and_time_of_its_event():
    replay = Replay(DELAYED)
    replay.step("minor")
    replay.clock.advance(2)
    raised_at = replay.clock.time_ns()
    replay.run("major +2 minor +8>MAJOR!")
    assert (replay.state.alarm.value, replay.state.alarm.time_ns) == ("major", raised_at)
    assert replay.state.current.value == "minor"


def test_fallen_alarm_is_acknowledged_with_its_present_reason():
    replay = Replay()
    replay.run("major minor/LOW ack>MINOR_ACK")
    assert replay.state.alarm.message == "LOW"


ANOTHER_REASON = [
    ("latching", LATCHING, "major/HIHI major/LOLO", Level.MAJOR),
    ("following", FOLLOWING, "major/HIHI major/LOLO", Level.MAJOR),
    ("latched, and OK in between", LATCHING, "major/HIHI ok major/LOLO", Level.MAJOR),
    ("acknowledged", LATCHING, "major/HIHI ack major/LOLO", Level.MAJOR_ACK),
    ("acknowledged, not latching", FOLLOWING, "major/HIHI ack major/LOLO", Level.MAJOR_ACK),
    ("while it is delayed", DELAYED, "major/HIHI major/LOLO +10", Level.MAJOR),
    ("after a fall", LATCHING, "major/HIHI minor/LOW major/LOLO", Level.MAJOR),
    ("while disabled", LATCHING, "major/HIHI disable major/LOLO enable", Level.MAJOR),
]


@pytest.mark.parametrize(
    ("rules", "script", "level"), [case[1:] for case in ANOTHER_REASON], ids=[c[0] for c in ANOTHER_REASON]
)
def test_equally_bad_for_another_reason_shows_the_present_reason_and_value(rules, script, level):
    replay = Replay(rules)
    replay.run(script)
    replay.clock.advance(1)
    assert (replay.state.alarm.level, replay.state.alarm.message) == (level, "LOLO")
    assert (replay.state.acknowledgement is not None) == level.is_acknowledged


def test_less_bad_for_another_reason_leaves_a_latched_alarm_as_it_was():
    replay = Replay()
    replay.run("major/HIHI minor/LOW")
    assert (replay.state.alarm.message, replay.state.current.message) == ("HIHI", "LOW")


def test_one_fault_after_another_of_equal_severity_shows_the_present_fault():
    replay = Replay()
    for fault in ("FAULT_A", "FAULT_B"):
        step = logic.update(replay.state, LATCHING, AlarmState(Level.MAJOR, "STATE", fault, 0), 0.0)
        replay.state = step.state
    assert step.raised is None
    assert replay.state.alarm.value == "FAULT_B"


def test_change_of_value_alone_is_remembered_but_does_nothing_else():
    replay = Replay()
    replay.run("minor")
    before = replay.state.alarm
    replay.clock.advance(1)
    replay.run("minor")
    assert replay.state.alarm == before
    assert replay.state.current.time_ns == replay.clock.time_ns()


def test_acknowledgement_says_who_when_and_why_until_it_ends():
    replay = Replay()
    replay.run("major ack")
    by = replay.state.acknowledgement
    assert by is not None
    assert (by.user, by.comment, by.time_ns) == ("ada", "seen", replay.clock.time_ns())
    replay.run("minor")
    assert replay.state.acknowledgement == by
    replay.run("ok")
    assert replay.state.acknowledgement is None


@pytest.mark.parametrize(
    ("rules", "script", "word"),
    [
        (LATCHING, "major disable", "ack"),
        (LATCHING, "major disable", "unack"),
        (LATCHING, "major disable", "disable"),
        (LATCHING, "major", "enable"),
        (LATCHING, "major", "unack"),
        (LATCHING, "ok", "ack"),
        (LATCHING, "ok", "unack"),
        (LATCHING, "major ack", "ack"),
        (DELAYED, "major", "+9"),
    ],
)
def test_what_has_no_effect_leaves_everything_as_it_was(rules, script, word):
    replay = Replay(rules)
    replay.run(script)
    before = replay.state
    replay.clock.advance(0.5)
    assert replay.step(word).state == before


def test_alarm_that_recovered_is_cleared_at_the_moment_of_its_acknowledgement_with_the_present_value():
    replay = Replay()
    replay.run("major ok")
    replay.clock.advance(3)
    replay.run("ack>OK")
    assert replay.state.alarm == AlarmState(Level.OK, "OK", "ok", replay.clock.time_ns())


def test_disabling_forgets_a_delay_and_what_was_counted_and_keeps_the_alarm():
    replay = Replay(COUNTED)
    replay.run("minor +10>MINOR! major disable")
    assert (replay.state.pending, replay.state.recent_ns, replay.state.acknowledgement) == (None, (), None)
    assert replay.state.held is not None
    assert replay.state.held.alarm.level is Level.MINOR
    assert replay.state.alarm == AlarmState(Level.OK, DISABLED, "major", replay.clock.time_ns())
    replay.run("enable")
    assert replay.state.held is None


def test_an_edit_of_count_keeps_as_many_alarms_as_it_counts():
    replay = Replay(COUNTED)
    replay.run("major ok +1 major")
    newest = replay.clock.time_ns()
    assert len(replay.state.recent_ns) == 2
    assert adopt(replay.state, Rules(delay_s=10, count=1)).state.recent_ns == (newest,)
    assert adopt(replay.state, DELAYED).state.recent_ns == ()
    assert adopt(replay.state, COUNTED).state.pending == replay.state.pending


def test_an_edit_lets_a_disabled_or_delayed_alarm_alone():
    for script in ("major disable", "minor +10 major"):
        replay = Replay(DELAYED)
        replay.run(script)
        assert adopt(replay.state, DELAYED_FOLLOWING).state.alarm == replay.state.alarm


def test_the_alarm_from_before_is_kept_while_a_pv_is_away_and_no_longer():
    replay = Replay()
    replay.run("major/HIHI ack undefined>UNDEFINED!")
    assert replay.state.before is not None
    assert (replay.state.before.alarm.level, replay.state.before.acknowledgement is not None) == (Level.MAJOR_ACK, True)
    replay.run("ack>UNDEFINED_ACK major/HIHI>MAJOR_ACK")
    assert replay.state.before is None
    assert replay.state.acknowledgement is not None


def test_only_alarms_that_are_counted_are_remembered():
    replay = Replay(DELAYED)
    replay.run("major")
    assert replay.state.pending is not None
    assert replay.state.recent_ns == ()


def test_nobody_has_acknowledged_what_was_taken_back_while_the_pv_was_away():
    replay = Replay(DELAYED)
    replay.run("major +10 ack undefined unack>UNDEFINED major>MAJOR")
    assert replay.state.acknowledgement is None


def test_the_same_reason_again_leaves_a_latched_alarm_with_the_value_and_time_of_its_event():
    replay = Replay()
    replay.run("major")
    first = replay.state.alarm
    replay.clock.advance(1)
    replay.run("ok major")
    assert (replay.state.alarm.value, replay.state.alarm.time_ns) == (first.value, first.time_ns)
    replay.run("ack>MAJOR_ACK")
    assert replay.state.alarm.time_ns == first.time_ns


def test_a_rise_above_what_was_acknowledged_is_acknowledged_by_nobody():
    replay = Replay()
    replay.run("major ack invalid>INVALID!")
    assert replay.state.acknowledgement is None


def test_a_delay_ends_where_the_alarm_is_shown_already():
    replay = Replay(DELAYED)
    replay.run("major +10 ack invalid>MAJOR_ACK unack>INVALID")
    assert replay.state.pending is None


def test_masked_says_so():
    disabled = logic.disable(Replay().state, 0).state
    masked = logic.disable(disabled._replace(masked=True), 1).state
    assert (disabled.alarm.message, masked.alarm.message) == (DISABLED, MASKED)
    assert masked.alarm.time_ns == disabled.alarm.time_ns, "it shows nothing since then"
    assert logic.disable(Replay().state._replace(masked=True), 0).state.alarm.message == MASKED


def test_an_alarm_that_follows_its_pv_latches_nothing():
    replay = Replay(FOLLOWING)
    replay.run("minor major")
    assert not replay.state.alarm.latch


def test_disabled_says_so():
    replay = Replay()
    replay.run("major disable")
    assert replay.state.alarm.message == DISABLED
    assert replay.state.current.level is Level.MAJOR


@pytest.mark.parametrize(
    ("before", "after", "script", "expected"),
    [
        (LATCHING, FOLLOWING, "major ok", Level.OK),
        (LATCHING, FOLLOWING, "major ack minor", Level.MAJOR_ACK),
        (FOLLOWING, LATCHING, "major", Level.MAJOR),
        (LATCHING, DELAYED, "major ok", Level.MAJOR),
    ],
)
def test_edit_of_the_configuration_keeps_latch_and_acknowledgement(before, after, script, expected):
    replay = Replay(before)
    replay.run(script)
    assert adopt(replay.state, after).state.alarm.level is expected
