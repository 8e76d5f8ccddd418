"""The states of all PVs, changed in three moves: draft, commit, adopt.

A draft works out what a batch of events does. The service commits it to the database and only then adopts and publishes it, so
that nothing is ever shown, or paged, that a restart would not know of.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import NamedTuple

from alarms import logic
from alarms.level import Level
from alarms.logic import Step
from alarms.state import Acknowledgement, AlarmState, PvState, initial
from alarms.tree import Leaf, Tree
from sipmdcs.clock import Clock, to_datetime


class Reason(StrEnum):
    """Why a state changed."""

    UPDATE = "update"
    """The PV reported something else, or is gone."""
    DELAY = "delay"
    """The delay of an alarm passed."""
    ACKNOWLEDGE = "acknowledge"
    UNACKNOWLEDGE = "unacknowledge"
    DISABLE = "disable"
    ENABLE = "enable"
    RULES = "rules"
    """Its configuration was edited."""


class Change(NamedTuple):
    """One step of one PV."""

    leaf: Leaf
    before: PvState
    after: PvState
    reason: Reason
    raised: bool = False
    """Whether the alarm went to a level that ranks higher."""
    by: Acknowledgement | None = None
    """Who did it, if somebody did."""

    @property
    def matters(self) -> bool:
        """Whether operators see a difference, or saw one."""
        before, after = self.before, self.after
        return (
            before.alarm.level is not after.alarm.level
            or not before.alarm.has_reason_of(after.alarm)
            or not before.current.has_reason_of(after.current)
            or before.acknowledgement != after.acknowledgement
        )


class Draft:
    """What a batch of events does to the states, not yet in force."""

    def __init__(self, tree: Tree, states: Mapping[str, PvState], clock: Clock) -> None:
        self._tree = tree
        self._states = states
        self._clock = clock
        self.states: dict[str, PvState] = {}
        """New states of the PVs that changed in any way."""
        self.changes: list[Change] = []
        """Steps worth keeping, in order; a new value at the same level is none."""

    def state(self, pv: str) -> PvState:
        """State of a PV with the changes so far."""
        return self.states.get(pv) or self._states[pv]

    def update(self, pv: str, received: AlarmState) -> None:
        """A PV reported something."""
        leaf, state = self._tree.leaves[pv], self.state(pv)
        step = logic.update(state, leaf.rules, received, self._clock.monotonic())
        if received.has_reason_of(state.current):  # a new value at most, which is no change worth keeping
            self.states[pv] = step.state
        else:
            self._step(leaf, Reason.UPDATE, step)

    def expire(self, pvs: Iterable[str]) -> None:
        """Apply the delayed alarms of ``pvs`` whose delay has passed."""
        now = self._clock.monotonic()
        for pv in pvs:
            if (state := self.state(pv)).pending is not None:
                leaf = self._tree.leaves[pv]
                self._step(leaf, Reason.DELAY, logic.expire(state, leaf.rules, now))

    def acknowledge(self, leaves: Iterable[Leaf], by: Acknowledgement) -> None:
        """Somebody took notice of these."""
        for leaf in leaves:
            self._step(leaf, Reason.ACKNOWLEDGE, logic.acknowledge(self.state(leaf.pv), by), by)

    def unacknowledge(self, leaves: Iterable[Leaf], by: Acknowledgement) -> None:
        """Somebody takes acknowledgements back."""
        for leaf in leaves:
            self._step(leaf, Reason.UNACKNOWLEDGE, logic.unacknowledge(self.state(leaf.pv)), by)

    def follow_configuration(self) -> None:
        """Enable and disable what the configuration says, some of it from a time on."""
        for pv in self._states:
            leaf, state = self._tree.leaves[pv], self.state(pv)
            if state.enabled and leaf.enabled is True:
                continue
            if state.masked and not leaf.mask:
                self._mask(leaf, masked=False)
            self._follow(leaf)

    def follow_time(self) -> None:
        """Enable what is disabled until a time that has come."""
        for leaf in self._tree.timed:
            self._follow(leaf)

    def mask(self, masks: Mapping[str, bool]) -> None:
        """Channels were masked or unmasked; the PVs of a masked one are silent, whatever they report."""
        for pv, masked in masks.items():
            leaf = self._tree.leaves[pv]
            if self.state(pv).masked is not masked:
                self._mask(leaf, masked=masked)
                self._follow(leaf)

    def _mask(self, leaf: Leaf, *, masked: bool) -> None:
        state = self.state(leaf.pv)._replace(masked=masked)
        self._step(leaf, Reason.DISABLE if masked else Reason.ENABLE, Step(state))

    def _follow(self, leaf: Leaf) -> None:
        now_ns = self._clock.time_ns()
        state = self.state(leaf.pv)
        enabled = not state.masked and (leaf.enabled is True or leaf.enabled_at(to_datetime(now_ns)))
        if not enabled:
            self._step(leaf, Reason.DISABLE, logic.disable(state, now_ns))
        elif not state.enabled:
            self._step(leaf, Reason.ENABLE, logic.enable(state, leaf.rules, self._clock.monotonic()))

    def follow_rules(self) -> None:
        """Go on under the rules of the configuration, whatever they were before."""
        for pv, state in self._states.items():
            if state.alarm.level is not Level.OK or state.recent_ns:  # else there is nothing that rules are about
                leaf = self._tree.leaves[pv]
                self._step(leaf, Reason.RULES, logic.adopt(self.state(pv), leaf.rules))

    def _step(self, leaf: Leaf, reason: Reason, step: Step, by: Acknowledgement | None = None) -> None:
        before = self.state(leaf.pv)
        after = step.state
        if after is before or after == before:
            return
        self.states[leaf.pv] = after
        change = Change(leaf, before, after, reason, step.raised is not None, by)
        if (
            change.matters
            or before.pending != after.pending
            or before.enabled != after.enabled
            or before.masked != after.masked
        ):
            self.changes.append(change)


class Alarms:
    """The states in force."""

    def __init__(self, tree: Tree, clock: Clock, known: Mapping[str, PvState] | None = None) -> None:
        """Start from ``known`` states; a PV that is not among them is taken to be OK until it says otherwise."""
        self.tree = tree
        self._clock = clock
        known, unheard = known or {}, initial(clock.time_ns())
        self.states: dict[str, PvState] = {pv: known.get(pv, unheard) for pv in tree.leaves}
        self._pending = {pv: state.pending for pv, state in self.states.items() if state.pending is not None}

    def draft(self) -> Draft:
        """A draft on top of the states in force; adopt it before making the next."""
        return Draft(self.tree, self.states, self._clock)

    def adopt(self, draft: Draft) -> None:
        """Put a draft in force."""
        self.states.update(draft.states)
        for pv, state in draft.states.items():
            if state.pending is not None:
                self._pending[pv] = state.pending
            else:
                self._pending.pop(pv, None)

    def due(self) -> list[str]:
        """The PVs whose delay has passed."""
        now = self._clock.monotonic()
        return [pv for pv, pending in self._pending.items() if pending.due <= now]

    def next_due(self) -> float | None:
        """When the next delay passes, seconds of the monotonic clock."""
        return min((pending.due for pending in self._pending.values()), default=None)
