"""The logic of a push: state in, next step out. Nothing here reads, writes or waits.

    write phase 1 - check it - write phase 2 - check it - … - check all -> verified
        any failure or interruption -> restore the newest phase - check it - … - the oldest -> rolled_back, rollback_failed

A caller asks ``next_step``, does it, and tells the outcome with ``wrote`` or ``checked``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum, auto

from configtool.pushplan import Item, Plan, PushState


class _Stage(Enum):
    WRITE = auto()
    CHECK = auto()
    CHECK_ALL = auto()
    RESTORE = auto()
    CHECK_RESTORED = auto()
    DONE = auto()


@dataclass(frozen=True, slots=True)
class Write:
    """Put the values of these, all at once."""

    phase: int
    items: tuple[Item, ...]
    restoring: bool

    @property
    def puts(self) -> Mapping[str, float]:
        """Values by setpoint PV: those of the targets or, restoring, those from before, where there was one."""
        if not self.restoring:
            return {item.target.pv: item.target.value for item in self.items}
        return {item.target.pv: item.before.setpoint for item in self.items if item.before.setpoint is not None}


@dataclass(frozen=True, slots=True)
class Check:
    """Read these back until they agree or their settling time is over."""

    items: tuple[Item, ...]
    restoring: bool


@dataclass(frozen=True, slots=True)
class Finish:
    """It is over."""

    state: PushState
    reason: str
    unrestored: Mapping[str, str]
    """Why, by PV, where the roll-back failed."""


Step = Write | Check | Finish


@dataclass(frozen=True, slots=True)
class Failure:
    """A put that did not succeed."""

    message: str
    touched: bool
    """Whether the value may have been taken all the same: a time-out says nothing, a refusal says no."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a push is."""

    plan: Plan
    stage: _Stage
    phases: tuple[int, ...]
    """Phases that are left, the current one first."""
    touched: frozenset[str] = frozenset()
    """PVs that may hold something else than before."""
    reason: str = ""
    unrestored: Mapping[str, str] = field(default_factory=dict)


def begin(plan: Plan) -> Progress:
    """A push about to start."""
    return Progress(plan, _Stage.WRITE if plan.phases else _Stage.CHECK_ALL, plan.phases)


def next_step(progress: Progress) -> Step:
    """What to do now."""
    match progress.stage:
        case _Stage.WRITE:
            return Write(progress.phases[0], progress.plan.writes(progress.phases[0]), restoring=False)
        case _Stage.CHECK:
            return Check(progress.plan.writes(progress.phases[0]), restoring=False)
        case _Stage.CHECK_ALL:
            return Check(progress.plan.items, restoring=False)
        case _Stage.RESTORE:
            return Write(progress.phases[0], _touched_in(progress), restoring=True)
        case _Stage.CHECK_RESTORED:
            return Check(_touched_in(progress), restoring=True)
        case _Stage.DONE:
            return Finish(_final_state(progress), progress.reason, progress.unrestored)


def wrote(progress: Progress, failures: Mapping[str, Failure]) -> Progress:
    """After a ``Write``: which puts did not succeed."""
    if progress.stage is _Stage.RESTORE:
        # Whether a value came back is seen by reading it; a put that timed out may have worked.
        return replace(progress, stage=_Stage.CHECK_RESTORED)
    pvs = {item.target.pv for item in progress.plan.writes(progress.phases[0])}
    untouched = {pv for pv, failure in failures.items() if not failure.touched}
    after = replace(progress, stage=_Stage.CHECK, touched=progress.touched | (pvs - untouched))
    return _roll_back(after, _summary([failure.message for failure in failures.values()])) if failures else after


def checked(progress: Progress, mismatches: Mapping[str, str]) -> Progress:
    """After a ``Check``: what did not agree in time, by setpoint PV."""
    if progress.stage is _Stage.CHECK_RESTORED:
        after = replace(progress, unrestored={**progress.unrestored, **mismatches}, phases=progress.phases[1:])
        return replace(after, stage=_Stage.RESTORE if after.phases else _Stage.DONE)
    if mismatches:
        return _roll_back(progress, _summary(list(mismatches.values())))
    if progress.stage is _Stage.CHECK_ALL:
        return replace(progress, stage=_Stage.DONE)
    left = progress.phases[1:]
    return replace(progress, phases=left, stage=_Stage.WRITE if left else _Stage.CHECK_ALL)


def interrupt(progress: Progress, reason: str) -> Progress:
    """Somebody wants it to stop: roll back, unless that is already under way or it is over."""
    if progress.stage in (_Stage.WRITE, _Stage.CHECK, _Stage.CHECK_ALL):
        return _roll_back(progress, reason)
    return progress


def _roll_back(progress: Progress, reason: str) -> Progress:
    touched = {item.target.phase for item in progress.plan.items if item.target.pv in progress.touched}
    phases = tuple(sorted(touched, reverse=True))
    return replace(progress, stage=_Stage.RESTORE if phases else _Stage.DONE, phases=phases, reason=reason or "it failed")


def _touched_in(progress: Progress) -> tuple[Item, ...]:
    return tuple(item for item in progress.plan.writes(progress.phases[0]) if item.target.pv in progress.touched)


def _final_state(progress: Progress) -> PushState:
    if not progress.reason:
        return PushState.VERIFIED
    if progress.unrestored:
        return PushState.ROLLBACK_FAILED
    return PushState.ROLLED_BACK if progress.touched else PushState.ABORTED


def _summary(messages: list[str]) -> str:
    more = f" (and {len(messages) - 1} more)" if len(messages) > 1 else ""
    return f"{messages[0]}{more}"
