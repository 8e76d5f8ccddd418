"""Carries a push out: does what ``pushsteps`` says through Channel Access, with every step recorded before it is taken."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from configtool.pushlock import LockLost
from configtool.pushoutcomes import PushOutcomes
from configtool.pushplan import Plan
from configtool.pushsteps import Check, Failure, Finish, Write, begin, checked, interrupt, next_step, wrote
from configtool.reading import Reading, read_pvs, reading
from sipmdcs.channels import Channels
from sipmdcs.clock import Clock
from sipmdcs.errors import ServiceError
from sipmdcs.outcome import Completed, put_completed

POLL_S = 0.2
SLOW_POLL_S = 1.5
"""After so long without a fresh readback it is time to look how often a controller is polled."""
PUT_TIMEOUT_S = 10.0


class Recorder(Protocol):
    """Where steps are recorded; ``PushRecord`` is the real one.

    A method raises ``ServiceError`` when the record is lost, once; from then on steps are kept elsewhere as well as can be.
    """

    def writing(self, step: Write) -> None:
        """Before the puts of a step."""
        ...

    def wrote(self, step: Write, failures: Mapping[str, Failure]) -> None:
        """After them."""
        ...

    def checked(self, step: Check, readings: Mapping[str, Reading], mismatches: Mapping[str, str]) -> None:
        """After reading back."""
        ...


class Watcher(Protocol):
    """Who is told how it goes."""

    def step(self, text: str, total: int) -> None:
        """A step begins that concerns ``total`` values."""
        ...

    def advance(self, done: int) -> None:
        """So many values of the step are done."""
        ...


@dataclass
class StopRequest:
    """Whether somebody asked the push to stop, and why."""

    reason: str = ""


class PushRunner:
    """One push on its way through the world.

    Args:
        channels: Channel Access.
        record: where steps are recorded.
        watcher: who is told.
        clock: for settling times.
        stop: looked at between steps and while waiting.
        pause: waits so many seconds.
    """

    def __init__(
        self,
        channels: Channels,
        record: Recorder,
        watcher: Watcher,
        clock: Clock,
        stop: StopRequest,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._channels = channels
        self._record = record
        self._watcher = watcher
        self._clock = clock
        self._stop = stop
        self._pause = pause

    def run(self, plan: Plan) -> Finish:
        """Push until it is verified or rolled back; that the record is lost is a reason to roll back.

        Raises:
            LockLost: another client took over; nothing more was written.
            ServiceError: Channel Access cannot be used.
        """
        self._progress = begin(plan)
        self._outcomes = PushOutcomes()
        lost: ServiceError | None = None
        while not isinstance(step := next_step(self._progress), Finish):
            if self._stop.reason and not step.restoring:
                self._progress = interrupt(self._progress, self._stop.reason)
                continue
            try:
                self._write(step) if isinstance(step, Write) else self._check(step)
            except LockLost:
                raise
            except ServiceError as err:
                if lost is not None:  # a record is lost only once, so it is something else
                    raise
                lost = err
                self._progress = interrupt(self._progress, str(err))
        return step

    def _write(self, step: Write) -> None:
        self._watcher.step(f"{'restoring' if step.restoring else 'writing'}, phase {step.phase}", len(step.puts))
        self._record.writing(step)
        completions = put_completed(
            self._channels,
            step.puts,
            timeout=PUT_TIMEOUT_S,
            may_have_alarms=step.restoring or any(item.before.unproven for item in step.items),
        )
        now, now_ns = self._clock.monotonic(), self._clock.time_ns()
        self._outcomes.put(step, completions, now, now_ns)
        failures = {
            pv: Failure(f"{pv}: {completion.reason}", touched=completion.result is Completed.UNKNOWN)
            for pv, completion in completions.items()
            if completion.result is not Completed.DONE
        }
        # Before the record: should that fail, the roll-back must know of these puts.
        self._progress = wrote(self._progress, failures)
        self._record.wrote(step, failures)
        self._watcher.advance(len(step.puts) - len(failures))

    def _check(self, step: Check) -> None:
        self._watcher.step("verifying the roll-back" if step.restoring else "verifying", len(step.items))
        readings: dict[str, Reading] = {}
        differing: dict[str, str] = {}
        pending = step.items
        start = self._clock.monotonic()
        self._outcomes.check(start)
        slow_polls_known = False
        while True:
            asked = self._clock.monotonic()
            answers = read_pvs(self._channels, [item.target for item in pending])
            now = self._clock.monotonic()
            self._outcomes.observe(self._channels, pending, answers, now)
            verdicts = {
                item.target.pv: self._outcomes.verdict(item, answers, now, restoring=step.restoring) for item in pending
            }
            readings |= {item.target.pv: reading(item.target, answers) for item in pending}
            differing |= {pv: text for pv, text in verdicts.items() if text}
            pending = tuple(item for item in pending if verdicts[item.target.pv] is None)
            self._watcher.advance(len(step.items) - len(pending) - len(differing))
            if not pending or (self._stop.reason and not step.restoring):
                break
            if not slow_polls_known and now - start >= SLOW_POLL_S:
                slow_polls_known = True
                self._outcomes.allow_for_slow_polls(self._channels, pending)
            # What takes long to read keeps IOCs busy that should be asking their devices.
            self._pause(max(POLL_S, now - asked))
        mismatches = differing | {item.target.pv: f"not verified: {self._stop.reason}" for item in pending}
        self._record.checked(step, readings, mismatches)
        if not (self._stop.reason and mismatches and not step.restoring):
            self._progress = checked(self._progress, mismatches)
