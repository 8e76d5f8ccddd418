"""Whether a write took effect, from what was observed of it. Pure: observations and time come in, an outcome comes out.

    progress = Progress(expectation, completion, completed_at, completed_ns)
    progress = observe(progress, setpoint, readback, now)      # as often as there is something to see
    outcome = judge(progress, now)                             # None while it cannot be said yet

Only a readback that the server updated after completion counts. It is waited for as long as the way takes (distance over
ramp speed), and beyond that as long as it comes nearer; it must then stand still before another value counts as its answer.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from sipmdcs.channels import PvData, PvMetadata, PvType, PvValue
from sipmdcs.errors import ChannelError
from sipmdcs.outcome.completion import Completed, Completion
from sipmdcs.outcome.result import Outcome, Result
from sipmdcs.severity import Severity, Status

SLACK = 1e-9
"""Added to tolerances, relative to the value: 57.43 - 57.42 is a little more than 0.01 in binary."""

MAX_EXTENSION = 3.0
"""A readback that never comes to rest is given up after so many times the expected duration."""

_STILL = 2
"""Updates in a row with the same value, before a value other than the wanted one is the answer of the device."""

UNSEEN = PvMetadata(PvType.STRING, 1)
"""Of a record that did not say anything."""

Reading = PvValue | ChannelError


@dataclass(frozen=True, slots=True)
class Expectation:
    """What a write should bring about."""

    pv: str
    wanted: PvData
    metadata: PvMetadata = UNSEEN
    """Of the setpoint: type, precision, limits, labels."""
    readback: str = ""
    """Empty if there is none."""
    goal: float | None = None
    """Of the readback, where it is not the value written."""
    tolerance: float = 0.0
    momentary: bool = False
    travel_s: float = 0.0
    """Time that the way takes: distance over ramp speed."""
    quiet_s: float = 5.0
    """Time that a readback may stand still and yet be about to change: some updates, and the settling of the device."""
    max_extension: float = MAX_EXTENSION
    """So many times the expected duration everything ends; infinite where the ramp speed is unknown."""
    also: float | None = None
    """Another value of the readback that is as good: what it was before, when a write restores that."""

    @property
    def goals(self) -> tuple[PvData, ...]:
        """Values of the readback that prove the write."""
        goal = self.wanted if self.goal is None else self.goal
        return (goal,) if self.also is None else (goal, self.also)

    def matches(self, value: PvData, goal: PvData) -> bool:
        """Whether two values agree within the tolerance; NaN agrees with nothing."""
        if isinstance(value, int | float) and isinstance(goal, int | float):
            return abs(value - goal) <= self.tolerance + SLACK * max(1.0, abs(goal))
        return isinstance(value, str) and value == goal


@dataclass(frozen=True, slots=True)
class Progress:
    """One write under way, and what was seen of it so far."""

    expectation: Expectation
    completion: Completion
    completed_at: float
    """Monotonic time, s."""
    completed_ns: int
    """The same by the wall clock."""
    before_ns: int | None = None
    """Time stamp of the readback before the put, where that is known: with it, nothing is news, whatever the clocks say."""
    setpoint: Reading | None = None
    message: str = ""
    """Alarm message of the setpoint."""
    readback: Reading | None = None
    first_ns: int | None = None
    """Time stamp of the readback at the first look after completion."""
    fresh: PvValue | None = None
    """Latest good update of the readback after completion."""
    still: int = 0
    """Updates in a row that brought the same value."""
    nearest: float = math.inf
    nearest_at: float = 0.0
    """Monotonic time of the last step towards the goal."""


def observe(
    progress: Progress, setpoint: Reading, readback: Reading | None, now: float, *, message: str = "", moving: bool = False
) -> Progress:
    """Take in one look at the setpoint and its readback.

    Args:
        progress: as it was.
        setpoint: the record that was written.
        readback: ``None`` if the setpoint has none.
        now: monotonic time, s.
        message: ``AMSG`` of the setpoint.
        moving: the output says that it is ramping.
    """
    nearest, nearest_at = progress.nearest, now if moving else progress.nearest_at
    first_ns, before, fresh, still = progress.first_ns, progress.fresh, progress.fresh, progress.still
    if isinstance(readback, PvValue):
        first_ns = readback.time_ns if first_ns is None else first_ns
        is_news = before is None or readback.time_ns != before.time_ns
        if is_news and _is_fresh(first_ns, progress.before_ns, setpoint, readback):
            same = before is not None and progress.expectation.matches(readback.value, before.value)
            fresh, still = readback, still + 1 if same else 1
            away = min(_distance(goal, readback.value) for goal in progress.expectation.goals)
            if away < nearest - progress.expectation.tolerance:
                nearest, nearest_at = away, now
    return replace(
        progress,
        setpoint=setpoint,
        message=message,
        readback=readback,
        first_ns=first_ns,
        fresh=fresh,
        still=still,
        nearest=nearest,
        nearest_at=nearest_at,
    )


def _is_fresh(first_ns: int, before_ns: int | None, setpoint: Reading, readback: PvValue) -> bool:
    """Whether the server updated a readback, for good, after the setpoint was processed.

    Time stamps are compared with those of the same server only, so that no clock needs to be right.
    """
    if readback.severity is Severity.INVALID or not _is_finite(readback.value) or readback.time_ns == before_ns:
        return False
    later = isinstance(setpoint, PvValue) and readback.time_ns > setpoint.time_ns
    return later or readback.time_ns != first_ns


def _is_finite(value: PvData) -> bool:
    return not isinstance(value, float) or math.isfinite(value)


def _distance(goal: PvData, value: PvData) -> float:
    if isinstance(value, int | float) and isinstance(goal, int | float):
        return abs(value - goal)
    return 0.0 if value == goal else math.inf


def judge(progress: Progress, now: float) -> Outcome | None:
    """The outcome, or ``None`` while it cannot be said yet."""
    expectation = progress.expectation
    if progress.completion.result is Completed.REFUSED:
        return _outcome(progress, Result.REFUSED, progress.completion.reason)
    if progress.completion.result is Completed.UNKNOWN:
        return _unknown(progress, progress.completion.reason)
    setpoint = progress.setpoint
    if setpoint is None:
        return None
    if isinstance(setpoint, ChannelError):
        return _unknown(progress, "connection lost")
    limit = None
    is_echo = not expectation.momentary and isinstance(expectation.wanted, int | float | str)
    if is_echo and not expectation.matches(setpoint.value, expectation.wanted):
        limit = _limit(expectation, setpoint.value)
        if limit is None:
            # Its alarm, if it has one, is about that other value.
            return _unknown(
                progress, f"the setpoint was changed to {show(expectation.metadata, setpoint.value)} after this write"
            )
    if setpoint.severity is Severity.INVALID and setpoint.status is Status.WRITE:
        return _outcome(progress, Result.REFUSED, progress.message or "the device did not take it")
    if setpoint.severity is Severity.INVALID and setpoint.status in (Status.COMM, Status.TIMEOUT):
        return _unknown(progress, progress.message or "the device did not answer")
    if not expectation.readback:
        if limit is None:
            return _outcome(progress, Result.DONE)
        return _outcome(progress, Result.CLAMPED, _limit_reason(expectation), limit)
    return _judge_readback(progress, limit, now)


def unwatched(progress: Progress) -> Outcome:
    """The outcome of a write that is given up before it could be judged."""
    return _unknown(progress, "nobody waited for the readback")


def _judge_readback(progress: Progress, limit: float | None, now: float) -> Outcome | None:
    expectation, readback, fresh = progress.expectation, progress.readback, progress.fresh
    if isinstance(readback, ChannelError):
        return _unknown(progress, f"{expectation.readback}: connection lost")
    is_good = readback is not None and fresh is not None and readback.severity is not Severity.INVALID
    if fresh is not None and is_good:
        if any(expectation.matches(fresh.value, goal) for goal in expectation.goals):
            return _outcome(progress, Result.DONE)
        if limit is not None and expectation.matches(fresh.value, limit):
            return _outcome(progress, Result.CLAMPED, _limit_reason(expectation), fresh.value)
    if not _is_over(progress, now):
        return None
    if readback is not None and readback.severity is Severity.INVALID:
        return _unknown(progress, f"{expectation.readback} is INVALID ({readback.status.name})")
    if readback is not None and not _is_finite(readback.value):
        return _unknown(progress, f"{expectation.readback} is {readback.value}")
    if fresh is None:
        return _unknown(progress, f"{expectation.readback} was not updated since the write")
    held = show(expectation.metadata, fresh.value)
    if progress.still < _STILL:
        return _unknown(progress, f"{expectation.readback} is still moving, at {held}")
    reason = f"{expectation.readback} holds it instead of {show(expectation.metadata, expectation.goals[0])}"
    return _outcome(progress, Result.CLAMPED, reason, fresh.value)


def _is_over(progress: Progress, now: float) -> bool:
    """Whether there is nothing left to wait for."""
    expectation = progress.expectation
    expected = expectation.travel_s + expectation.quiet_s
    if now - progress.completed_at > expectation.max_extension * expected:
        return True
    return now > max(progress.completed_at + expected, progress.nearest_at + expectation.quiet_s)


def _limit(expectation: Expectation, value: PvData) -> float | None:
    """The control limit that the record clamped to, ``None`` if its value is none of them."""
    low, high = expectation.metadata.control
    wanted = expectation.wanted
    if not isinstance(wanted, int | float) or not isinstance(value, int | float) or not low < high:
        return None
    limit = high if wanted > high else low if wanted < low else None
    return limit if limit is not None and expectation.matches(value, limit) else None


def _limit_reason(expectation: Expectation) -> str:
    low, high = (show(expectation.metadata, limit) for limit in expectation.metadata.control)
    return f"limits are {low} to {high}"


def _outcome(progress: Progress, result: Result, reason: str = "", held: PvData | None = None) -> Outcome:
    expectation = progress.expectation
    if held is None and progress.fresh is not None:
        held = progress.fresh.value
    shown = "" if held is None else show(expectation.metadata, held)
    return Outcome(expectation.pv, result, expectation.wanted, held, reason, expectation.readback, shown=shown)


def _unknown(progress: Progress, reason: str) -> Outcome:
    since = progress.fresh.time_ns if progress.fresh is not None else progress.completed_ns
    return replace(_outcome(progress, Result.UNKNOWN, reason), since_ns=since)


def show(metadata: PvMetadata, value: PvData) -> str:
    """A value as an operator reads it: label, or number with the precision and unit of the record."""
    if not isinstance(value, int | float):
        return str(value)
    if metadata.labels:
        index = int(value) if math.isfinite(value) else -1
        return metadata.labels[index] if 0 <= index < len(metadata.labels) else str(value)
    text = f"{value:.{max(metadata.precision, 0)}f}" if metadata.type in (PvType.FLOAT, PvType.DOUBLE) else f"{value:g}"
    return f"{text} {metadata.units}".rstrip()
