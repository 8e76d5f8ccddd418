"""The alarm logic of one PV: state and event in, state out.

The rules are those of the Phoebus alarm server, step by step as its ``AlarmLogic`` takes them; where ours differ on purpose is
written in ADR 0170. Nothing here reads a clock: ``now`` is the monotonic time in seconds, ``now_ns`` the wall clock.
"""

from __future__ import annotations

from typing import NamedTuple

from alarms.level import Level
from alarms.state import DISABLED, MASKED, Acknowledgement, AlarmState, Held, Pending, PvState, Rules, clear
from sipmdcs.clock import NS


class Step(NamedTuple):
    """What an event did to a PV."""

    state: PvState
    raised: Level | None = None
    """The new level, if the alarm went to one that ranks higher: what is annunciated."""


def update(state: PvState, rules: Rules, received: AlarmState, now: float) -> Step:
    """The PV reported something. A change of value alone is only remembered."""
    previous = state.current
    state = PvState(received, *state[1:])  # _replace takes three times as long: this is done for every report
    if not state.enabled or received.has_reason_of(previous):
        return Step(state)
    return _take(state, rules, received, now)


def expire(state: PvState, rules: Rules, now: float) -> Step:
    """Apply a delayed alarm whose delay has passed; nothing before that."""
    if state.pending is None or now < state.pending.due:
        return Step(state)
    delayed = state.pending.state
    state = state._replace(pending=None)
    new = _latch_or_follow(state.alarm, delayed, rules)
    return Step(state) if new is None else _apply(state, new)


def acknowledge(state: PvState, by: Acknowledgement) -> Step:
    """Somebody took notice. Clears the alarm if the PV is OK already; an alarm that fell is acknowledged as what it is now."""
    if not state.enabled or not state.alarm.level.active:
        return Step(state)
    current, alarm = state.current, state.alarm
    if current.level is Level.OK:
        return Step(_with_alarm(state, clear(current.value, by.time_ns), None))
    base = current if current.level < alarm.level else alarm
    return Step(_with_alarm(state, base._replace(level=base.level.acknowledged), by))


def unacknowledge(state: PvState) -> Step:
    """Take an acknowledgement back: the alarm is what the PV reports now. Without one, nothing happens."""
    if not state.enabled or not state.alarm.level.is_acknowledged:
        return Step(state)
    state = state._replace(alarm=state.alarm._replace(level=state.alarm.level.unacknowledged), acknowledgement=None)
    return Step(_with_alarm(state, state.current, None))


def disable(state: PvState, now_ns: int) -> Step:
    """Show no alarm until enabled; alarm and acknowledgement are put aside, a delay that runs is forgotten."""
    message = MASKED if state.masked else DISABLED
    if not state.enabled:
        return Step(state if state.alarm.message == message else state._replace(alarm=state.alarm._replace(message=message)))
    shown = AlarmState(Level.OK, message, state.current.value, now_ns)
    held = Held(state.alarm, state.acknowledgement)
    return Step(state._replace(enabled=False, held=held, alarm=shown, acknowledgement=None, pending=None, recent_ns=()))


def enable(state: PvState, rules: Rules, now: float) -> Step:
    """Go on with the alarm and acknowledgement from before, and with what the PV reports now as news."""
    if state.enabled or state.held is None:
        return Step(state)
    held = state.held
    state = state._replace(enabled=True, held=None, alarm=held.alarm, acknowledgement=held.acknowledgement)
    return _take(state, rules, state.current, now)


def adopt(state: PvState, rules: Rules) -> Step:
    """Go on under changed rules. Latches and acknowledgements stay; what no longer latches follows its PV."""
    recent_ns = state.recent_ns[-rules.count :] if rules.count else ()
    if recent_ns != state.recent_ns:
        state = state._replace(recent_ns=recent_ns)
    if state.enabled and state.pending is None and not rules.latching and state.alarm.level.active:
        return _apply(state, state.current)
    return Step(state)


def _take(state: PvState, rules: Rules, received: AlarmState, now: float) -> Step:
    """Run a change of what the PV reports through latch, delay and count."""
    if received.level is not Level.UNDEFINED:
        state = _reconnected(state, received)
    if state.alarm.level is Level.INVALID_ACK and received.level in (Level.MINOR, Level.MAJOR):
        # Who acknowledged that there is no valid value has not seen what the value is now that there is one.
        state = _with_alarm(state, clear(state.current.value, received.time_ns), None)
    if received.level is Level.OK:
        state = state._replace(pending=None)
        if not state.alarm.level.active:
            return Step(_with_alarm(state, clear(received.value, received.time_ns), None))
    elif not rules.latching and not received.outranks(state.alarm):
        state = state._replace(pending=None)
    base = state.alarm if state.pending is None else state.pending.state
    new = _latch_or_follow(base, received, rules)
    if new is None:
        return Step(state)
    if rules.delay_s > 0 and received.level is not Level.OK and new.outranks(state.alarm):
        return _delay(state, rules, new, received, now)
    return _apply(state, new)


def _latch_or_follow(base: AlarmState, received: AlarmState, rules: Rules) -> AlarmState | None:
    """The alarm that follows ``base``, ``None`` if nothing changes.

    As bad as what is held for another reason: the present reason is shown at the level that is held.
    """
    if received.level is base.level.unacknowledged and not received.has_reason_of(base):
        return received._replace(level=base.level)
    if received.outranks(base) and rules.latching:
        return received._replace(latch=True)
    if rules.latching:
        return base._replace(latch=False) if base.latch else None
    return received if base.level.active or received.outranks(base) else None


def _delay(state: PvState, rules: Rules, new: AlarmState, received: AlarmState, now: float) -> Step:
    """Hold an alarm back, unless it came often enough within the delay. A timer that runs is never restarted."""
    if rules.count > 0:
        recent = (*state.recent_ns, received.time_ns)[-rules.count :]
        if len(recent) == rules.count and recent[-1] - recent[0] <= rules.delay_s * NS:
            return _apply(state._replace(pending=None, recent_ns=()), new)
        state = state._replace(recent_ns=recent)
    due = now + rules.delay_s if state.pending is None else state.pending.due
    return Step(state._replace(pending=Pending(new, due)))


def _apply(state: PvState, new: AlarmState) -> Step:
    raised = new.level if new.outranks(state.alarm) else None
    return Step(_with_alarm(state, new, state.acknowledgement), raised)


def _with_alarm(state: PvState, alarm: AlarmState, acknowledgement: Acknowledgement | None) -> PvState:
    """``state`` with another alarm; what depends on the alarm follows: acknowledgement, a lower pending one, ``before``."""
    pending = state.pending if state.pending is not None and state.pending.state.outranks(alarm) else None
    before = state.before
    if alarm.level.unacknowledged is not Level.UNDEFINED:
        before = None
    elif state.alarm.level.unacknowledged is not Level.UNDEFINED:
        before = Held(state.alarm, state.acknowledgement)
    kept = acknowledgement if alarm.level.is_acknowledged else None
    return state._replace(alarm=alarm, acknowledgement=kept, pending=pending, before=before)


def _reconnected(state: PvState, received: AlarmState) -> PvState:
    """The PV is back. A latched UNDEFINED stays only if there is nothing else to show: it must not hide a real alarm."""
    if state.pending is not None and state.pending.state.level is Level.UNDEFINED:
        state = state._replace(pending=None)
    if state.alarm.level.unacknowledged is not Level.UNDEFINED:
        return state
    before = state.before or Held(clear(state.current.value, state.current.time_ns))
    if received.level is Level.OK and before.alarm.level is Level.OK:
        return state
    return state._replace(alarm=before.alarm, acknowledgement=before.acknowledgement, before=None)
