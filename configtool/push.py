"""A push from start to end: lock, pre-flight, plan, write, verify or roll back, record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from sqlalchemy import Engine

from configtool.preflight import refusals
from configtool.pushlock import LockLost
from configtool.pushplan import Plan, PushState, make_plan
from configtool.pushrecord import PushRecord, Request
from configtool.pushrun import PushRunner, StopRequest, Watcher
from configtool.reading import READ_TIMEOUT_S, read_pvs, reading
from configtool.targets import Target
from sipmdcs.channels import Channels
from sipmdcs.clock import Clock
from sipmdcs.errors import ChannelError, ServiceError
from sipmdcs.spool import Spool

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
    unrecorded: str = ""
    """Why the database does not know this yet; it is kept on the disk until then. Empty if it knows."""


def survey(channels: Channels, targets: Sequence[Target]) -> Survey:
    """Read everything once: whether a push may start and what it would change."""
    answers = read_pvs(channels, targets)
    # A PV that did not answer now would only make us wait again.
    there = [target.pv for target in targets if not isinstance(answers[target.pv], ChannelError)]
    metadata = channels.metadata(there, timeout=READ_TIMEOUT_S)
    metadata |= {pv: answer for pv, answer in answers.items() if isinstance(answer, ChannelError)}
    plan = make_plan(targets, {target.pv: reading(target, answers) for target in targets}, metadata)
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
    journal: Spool,
) -> Outcome:
    """Push, and record it.

    Args:
        engine: the database.
        request: who pushes what.
        targets: values that the detector should have.
        channels: Channel Access.
        watcher: is told how it goes.
        clock: the time.
        stop: asks to stop.
        journal: keeps on the disk what the database does not take.

    Raises:
        PushBusy: another push is under way.
        LockLost: see ``PushRunner.run``.
        ServiceError: the database did not work from the start, Channel Access cannot be used, or neither database nor disk kept
            how it ended, as the message says.
    """
    record = PushRecord(engine, request, clock, journal)
    with record.kept_alive():
        outcome = _carry_out(record, targets, channels, watcher, clock, stop)
        try:
            record.finish(outcome.state, outcome.reason)
        except KeyboardInterrupt:  # whoever stops it at once may do so now; it is over all the same
            record.finish(outcome.state, outcome.reason)
    return replace(outcome, unrecorded=record.lost)


def _carry_out(
    record: PushRecord, targets: Sequence[Target], channels: Channels, watcher: Watcher, clock: Clock, stop: StopRequest
) -> Outcome:
    found = Survey(Plan(()), ())
    try:
        watcher.step("reading", len(targets))
        found = survey(channels, targets)
        watcher.advance(len(targets))
        if found.refusals:
            reason = f"refused: {found.refusals[0]}" + (f" (and {len(found.refusals) - 1} more)" if found.refusals[1:] else "")
            return Outcome(record.id, PushState.ABORTED, reason, found)
        try:
            record.planned(found.plan)
        except LockLost:
            raise
        except ServiceError as err:
            return Outcome(record.id, PushState.ABORTED, f"{err}; nothing was written", found)
        end = PushRunner(channels, record, watcher, clock, stop).run(found.plan)
        return Outcome(record.id, end.state, end.reason, found, end.unrestored)
    except KeyboardInterrupt:
        return Outcome(record.id, PushState.ABORTED, FORCED, found)
