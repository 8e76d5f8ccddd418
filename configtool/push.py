"""A push from start to end: lock, pre-flight, plan, write, verify or roll back, record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Engine

from configtool.preflight import refusals
from configtool.pushplan import Plan, PushState, make_plan
from configtool.pushrecord import PushRecord, Request
from configtool.pushrun import PushRunner, StopRequest, Watcher
from configtool.reading import READ_TIMEOUT_S, reading
from configtool.targets import Target
from sipmdcs.channels import Channels
from sipmdcs.clock import Clock
from sipmdcs.errors import ChannelError

FORCED = "its client was forced to stop; what had been written was not rolled back"


@dataclass(frozen=True, slots=True)
class Survey:
    """What a push would do."""

    plan: Plan
    refusals: Sequence[str]
    """Every reason why it may not start."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a push ended."""

    push: int
    state: PushState
    reason: str
    survey: Survey
    unrestored: Mapping[str, str] = field(default_factory=dict)
    """Why, by PV, where the roll-back failed."""


def survey(channels: Channels, targets: Sequence[Target]) -> Survey:
    """Read everything once: whether a push may start and what it would change."""
    answers = channels.get([pv for target in targets for pv in target.pvs], timeout=READ_TIMEOUT_S)
    # A PV that did not answer now would only make us wait again.
    there = [target.pv for target in targets if not isinstance(answers[target.pv], ChannelError)]
    metadata = channels.metadata(there, timeout=READ_TIMEOUT_S)
    metadata |= {pv: answer for pv, answer in answers.items() if isinstance(answer, ChannelError)}
    plan = make_plan(targets, {target.pv: reading(target, answers) for target in targets})
    return Survey(plan, refusals(targets, answers, metadata))


def carry_out(
    engine: Engine,
    request: Request,
    targets: Sequence[Target],
    channels: Channels,
    *,
    watcher: Watcher,
    clock: Clock,
    stop: StopRequest,
) -> Outcome:
    """Push, and record it.

    Raises:
        PushBusy: another push is under way.
        LockLost, ServiceError: see ``PushRunner.run``.
    """
    record = PushRecord(engine, request, clock)
    found = Survey(Plan(()), ())
    try:
        watcher.step("reading", len(targets))
        found = survey(channels, targets)
        watcher.advance(len(targets))
        if found.refusals:
            reason = f"refused: {found.refusals[0]}" + (f" (and {len(found.refusals) - 1} more)" if found.refusals[1:] else "")
            record.finish(PushState.ABORTED, reason)
            return Outcome(record.id, PushState.ABORTED, reason, found)
        record.planned(found.plan)
        end = PushRunner(channels, record, watcher, clock, stop).run(found.plan)
        record.finish(end.state, end.reason)
        return Outcome(record.id, end.state, end.reason, found, end.unrestored)
    except KeyboardInterrupt:
        record.finish(PushState.ABORTED, FORCED)
        return Outcome(record.id, PushState.ABORTED, FORCED, found)
