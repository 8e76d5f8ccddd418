"""Writes setpoints and watches what the device makes of them. Works on any ``Channels``, the public fake included."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from dataclasses import replace

from sipmdcs.channels import Channels, PvData, PvMetadata, PvType, PvValue
from sipmdcs.channelstate import ChannelState
from sipmdcs.clock import Clock, SystemClock
from sipmdcs.errors import ChannelError
from sipmdcs.outcome.completion import Completed, alarm_messages, has_write_alarm, put_completed
from sipmdcs.outcome.judgement import Expectation, Progress, Reading, judge, observe, unwatched
from sipmdcs.outcome.readbacks import Readback, readback_of
from sipmdcs.outcome.result import Outcome
from sipmdcs.severity import Severity

CONNECT_S = 5.0
LOOK_S = 0.1
"""Between two looks; the readbacks of a controller change once a poll."""

_ANSWER_S = 2.0
"""For a look at records that were connected a moment ago; without an answer the connection counts as lost."""

_MAX_STEP_S = 2.0
"""A ramp of an IOC advances by no more than so many seconds at a poll."""

_POLLS = 3
_SETTLE_S = 5.0
"""Outputs of all supported devices settle, and the IOC polls after a command, within these."""


class SetpointWriter:
    """Writes setpoints; any thread may call any method.

    Args:
        channels: Channel Access.
        clock: for deadlines.
        pause: waits so many seconds between two looks, less if the writer is closed.
    """

    def __init__(self, channels: Channels, clock: Clock | None = None, pause: Callable[[float], object] | None = None) -> None:
        self._channels = channels
        self._clock = clock or SystemClock()
        self._closed = threading.Event()
        self._pause = pause or self._closed.wait

    def write(
        self,
        values: Mapping[str, PvData],
        *,
        readbacks: Mapping[str, Readback] | None = None,
        on_decided: Callable[[Outcome], object] = lambda outcome: None,
    ) -> dict[str, Outcome]:
        """Put values, all at once, and wait until the outcome of each one is known.

        How long that takes follows from ramp speeds, distances and poll periods in the records; a put that the server does
        not complete, or a readback that is not updated, ends as ``Result.UNKNOWN``.

        Args:
            values: value by setpoint PV.
            readbacks: of setpoints that do not follow the names of the templates.
            on_decided: called with each outcome as soon as it is known, in this thread.
        """
        plans = {pv: (readbacks or {}).get(pv) or readback_of(pv) for pv in values}
        completions = put_completed(self._channels, values)  # before anything else: it may be what makes the detector safe
        now, now_ns = self._clock.monotonic(), self._clock.time_ns()
        done = {pv: values[pv] for pv, completion in completions.items() if completion.result is Completed.DONE}
        expected, plans = self._expectations(done, plans)
        pending = {
            pv: Progress(expected.get(pv) or Expectation(pv, values[pv]), completion, now, now_ns)
            for pv, completion in completions.items()
        }
        outcomes: dict[str, Outcome] = {}
        while pending:
            pending = self._look(pending, plans)
            now = self._clock.monotonic()
            for pv, progress in list(pending.items()):
                outcome = judge(progress, now) or (unwatched(progress) if self._closed.is_set() else None)
                if outcome is not None:
                    outcomes[pv] = outcome
                    del pending[pv]
                    on_decided(outcome)
            if pending:
                self._pause(LOOK_S)
        return {pv: outcomes[pv] for pv in values}

    def submit(
        self, values: Mapping[str, PvData], on_decided: Callable[[Outcome], object] = lambda outcome: None
    ) -> Future[dict[str, Outcome]]:
        """As ``write``, in a thread of its own, so that nothing urgent queues behind a ramp; for event loops.

        ``on_decided`` is called in that thread.
        """
        future: Future[dict[str, Outcome]] = Future()

        def work() -> None:
            try:
                future.set_result(self.write(values, on_decided=on_decided))
            except BaseException as err:  # noqa: BLE001 - raised where the result is asked for
                future.set_exception(err)

        threading.Thread(target=work, name="write", daemon=True).start()
        return future

    def close(self) -> None:
        """End all watching at the next look; what is not decided by then is ``Result.UNKNOWN``."""
        self._closed.set()

    def _expectations(
        self, values: Mapping[str, PvData], plans: Mapping[str, Readback]
    ) -> tuple[dict[str, Expectation], dict[str, Readback]]:
        """What to expect of setpoints whose puts are completed, and their readbacks without companions that do not answer.

        There is no expectation of a setpoint that does not answer any more.
        """
        if not values:
            return {}, dict(plans)
        metadata = self._channels.metadata(_names((pv, plans[pv].pv) for pv in values), timeout=CONNECT_S)
        companions = _names(_companions(plans[pv]) for pv in values)
        around = self._channels.get(companions, timeout=CONNECT_S) if companions else {}
        expected = {
            pv: _expectation(pv, wanted, own, metadata.get(plans[pv].pv), plans[pv], around)
            for pv, wanted in values.items()
            if isinstance(own := metadata[pv], PvMetadata)
        }
        absent = {name for name, answer in around.items() if isinstance(answer, ChannelError)}
        return expected, {pv: replace(plan, state="") if plan.state in absent else plan for pv, plan in plans.items()}

    def _look(self, pending: Mapping[str, Progress], plans: Mapping[str, Readback]) -> dict[str, Progress]:
        waiting = {pv: progress for pv, progress in pending.items() if progress.completion.result is Completed.DONE}
        names = _names((pv, plans[pv].pv, plans[pv].state) for pv in waiting)
        found: dict[str, Reading] = dict(self._channels.get(names, timeout=_ANSWER_S)) if names else {}
        messages = alarm_messages(self._channels, [pv for pv in waiting if has_write_alarm(found[pv])])
        now = self._clock.monotonic()
        after = dict(pending)
        for pv, progress in waiting.items():
            plan = plans[pv]
            after[pv] = observe(
                progress,
                found[pv],
                found[plan.pv] if plan.pv else None,
                now,
                message=messages.get(pv, ""),
                moving=_is_ramping(found.get(plan.state)),
            )
        return after


def _expectation(
    pv: str,
    wanted: PvData,
    own: PvMetadata,
    readback: PvMetadata | ChannelError | None,
    plan: Readback,
    around: Mapping[str, Reading],
) -> Expectation:
    theirs = readback if isinstance(readback, PvMetadata) else None
    wanted = _as_read_back(wanted, own)
    travel_s = _travel_s(wanted, own, plan, around)
    quiet_s = _SETTLE_S + _POLLS * _number(around.get(plan.period), 0.0)
    return Expectation(pv, wanted, own, plan.pv, plan.goal, tolerance(own, theirs), plan.momentary, travel_s, quiet_s)


def tolerance(setpoint: PvMetadata, readback: PvMetadata | None) -> float:
    """Difference that counts as equal: one unit of the last digit of the record that shows fewer; 0 for whole numbers."""
    both = [own for own in (setpoint, readback) if own is not None]
    if any(own.type not in (PvType.FLOAT, PvType.DOUBLE) for own in both):
        return 0.0
    return 10.0 ** -min(max(own.precision, 0) for own in both)


def _companions(plan: Readback) -> tuple[str, ...]:
    return (plan.level, *(plan.ramps or ()), plan.state, plan.period)


def _names(groups: Iterable[Iterable[str]]) -> list[str]:
    return list(dict.fromkeys(name for group in groups for name in group if name))


def _as_read_back(wanted: PvData, metadata: PvMetadata) -> PvData:
    """A text as the record will show it: the index of a label, a number."""
    if not isinstance(wanted, str) or metadata.type is PvType.STRING:
        return wanted
    if wanted in metadata.labels:
        return metadata.labels.index(wanted)
    try:
        return float(wanted)
    except ValueError:
        return wanted


def _number(reading: Reading | None, default: float) -> float:
    value = reading.value if isinstance(reading, PvValue) else default
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else default


def _travel_s(wanted: PvData, metadata: PvMetadata, plan: Readback, around: Mapping[str, Reading]) -> float:
    """Time of the way from the present level to the end of the command."""
    if plan.ramps is None or not isinstance(wanted, int | float):
        return 0.0
    level = _number(around.get(plan.level), 0.0)
    low, high = metadata.control
    reaches = plan.pv == plan.level
    target = min(max(wanted, low), high) if reaches and low < high else wanted if reaches else 0.0
    if not reaches and not plan.momentary and wanted:
        return 0.0  # an output shows that it is on before it ramps
    up, down = (_number(around.get(name), 0.0) for name in plan.ramps)
    speed = up if target > level else down
    slower = max(1.0, _number(around.get(plan.period), 0.0) / _MAX_STEP_S)
    return slower * abs(target - level) / speed if speed > 0 and math.isfinite(target) else 0.0


def _is_ramping(reading: Reading | None) -> bool:
    ramping = (ChannelState.RAMPING_UP, ChannelState.RAMPING_DOWN)
    return isinstance(reading, PvValue) and reading.severity is not Severity.INVALID and reading.value in ramping
