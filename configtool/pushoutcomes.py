"""What a push may say of its values, by the rules of ``sipmdcs.outcome``.

Values that were right already are compared with what is read. Those that the push wrote need a readback that the server
updated after the put: one that agreed before proves nothing.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import replace

from configtool.pushplan import Item
from configtool.pushsteps import Write
from configtool.reading import mismatch, reading
from sipmdcs.channels import Channels, PvValue
from sipmdcs.errors import ChannelError
from sipmdcs.outcome import (
    Completion,
    Expectation,
    Progress,
    alarm_messages,
    has_write_alarm,
    judge,
    observe,
    readback_of,
)

Answers = Mapping[str, PvValue | ChannelError]

_LOOK_S = 2.0
_POLLS = 3
"""A readback may be away for so many polls beyond the settling time of its parameter."""


class PushOutcomes:
    """What was seen so far of the values that a push wrote."""

    def __init__(self) -> None:
        self._written: dict[str, Progress] = {}
        self._reasons: dict[str, str] = {}
        self._start = 0.0

    def put(self, step: Write, completions: Mapping[str, Completion], now: float, now_ns: int) -> None:
        """Values were put; how that ended, and when by the monotonic (s) and the wall clock (ns)."""
        for item in step.items:
            pv = item.target.pv
            earlier = self._written.pop(pv, None)
            if (completion := completions.get(pv)) is None:
                continue
            last = item.before.updated_ns
            if earlier is not None and isinstance(earlier.readback, PvValue):
                last = earlier.readback.time_ns
            # Whether a value is restored is seen by reading it: a put that timed out may have worked.
            proof = Completion() if step.restoring else completion
            expectation = _expectation(item, restoring=step.restoring)
            self._written[pv] = Progress(expectation, proof, now, now_ns, before_ns=last)
            self._reasons[pv] = completion.reason

    def check(self, now: float) -> None:
        """A check begins: settling times begin anew, what was seen stays."""
        self._start = now

    def allow_for_slow_polls(self, channels: Channels, items: Collection[Item]) -> None:
        """Have those without a fresh readback wait for some polls of their controllers, which may be slow or overloaded."""
        periods = {item.target.pv: readback_of(item.target.pv).period for item in items if self._lacks_readback(item)}
        names = sorted({period for period in periods.values() if period})
        found = channels.get(names, timeout=_LOOK_S) if names else {}
        for item in items:
            answer = found.get(periods.get(item.target.pv, ""))
            if isinstance(answer, PvValue) and isinstance(answer.value, int | float) and math.isfinite(answer.value):
                progress = self._written[item.target.pv]
                quiet_s = item.target.settle_s + _POLLS * max(0.0, answer.value)
                self._written[item.target.pv] = replace(progress, expectation=replace(progress.expectation, quiet_s=quiet_s))

    def _lacks_readback(self, item: Item) -> bool:
        progress = self._written.get(item.target.pv)
        return progress is not None and bool(progress.expectation.readback) and progress.fresh is None

    def observe(self, channels: Channels, items: Collection[Item], answers: Answers, now: float) -> None:
        """One look at the PVs of some items."""
        written = [item for item in items if item.target.pv in self._written]
        messages = alarm_messages(channels, [item.target.pv for item in written if has_write_alarm(answers[item.target.pv])])
        for item in written:
            target, progress = item.target, self._written[item.target.pv]
            if self._may_come_back(item, answers, now):
                continue
            readback = answers[target.readback] if target.readback else None
            self._written[target.pv] = observe(progress, answers[target.pv], readback, now, message=messages.get(target.pv, ""))

    def _may_come_back(self, item: Item, answers: Answers, now: float) -> bool:
        """Whether a written value could not be read, for no longer than a readback may take."""
        quiet_s = self._written[item.target.pv].expectation.quiet_s
        return now - self._start < quiet_s and any(isinstance(answers[pv], ChannelError) for pv in item.target.pvs)

    def verdict(self, item: Item, answers: Answers, now: float, *, restoring: bool) -> str | None:
        """Why an item does not agree; empty if it verifiably does, ``None`` while that cannot be said yet."""
        pv = item.target.pv
        progress = self._written.get(pv)
        if progress is not None:
            outcome = None if self._may_come_back(item, answers, now) else judge(progress, now)
            if outcome is not None and not outcome.ok and progress.completed_at < self._start:
                self._written[pv] = replace(progress, completed_at=self._start, nearest=math.inf)
                return None
            if outcome is None:
                return None
            return "" if outcome.ok else f"{pv}: {self._reasons[pv] or outcome.text}"
        if restoring:
            return f"{pv} cannot be restored: {item.before.fault}"
        text = mismatch(item.target, reading(item.target, answers))
        return None if text and now - self._start < item.target.settle_s else text


def _expectation(item: Item, *, restoring: bool) -> Expectation:
    """What a put should bring about: when restoring, the readback may also be what it was, as of an output that was off."""
    target, before = item.target, item.before
    digits = max(0, math.ceil(-math.log10(target.tolerance))) if target.tolerance > 0 else 0
    metadata = replace(item.metadata, precision=max(item.metadata.precision, digits), units=item.metadata.units or target.unit)
    return Expectation(
        target.pv,
        before.setpoint if restoring and before.setpoint is not None else target.value,
        metadata,
        target.readback,
        tolerance=target.tolerance,
        quiet_s=target.settle_s,
        max_extension=math.inf,  # its ramp speed is not known; it ends all the same, as it must come nearer
        also=before.readback if restoring else None,
    )
