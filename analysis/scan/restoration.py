"""Putting the operating point back, and proving it.

Order: limits down and ramps, outputs off that were off, voltages, and limits up only when the voltage is the working voltage
again. Nothing is ever switched on: what is off and was on tripped, or somebody switched it off.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from analysis.scan.operating_point import Held, OperatingPoint
from analysis.scan.trouble import TakenOver
from sipmdcs.channels import Channels, PvData, PvValue
from sipmdcs.channelstate import ChannelState, TripCause
from sipmdcs.outcome import Completed, put_completed
from sipmdcs.severity import Severity

_READ = ("BIAS", "BIAS_RBV", "ENABLE", "ENABLE_RBV", "STATE", "TRIP_CAUSE", "CURRENT_LIMIT", "RAMP_UP", "RAMP_DOWN")
_SAME_V = 0.001
"""Setpoints differ by more, if at all; and so do readbacks of the same setpoint, from which nothing else is expected."""

_CLOSE_V = 0.010
"""Taken for the same when waiting has brought it no nearer."""

_ABOVE_V = 0.1
"""A limit is not raised while the device holds so much more than the working voltage."""

_PATIENCE_S = 20.0
"""Beyond the time that the ramps take."""

_LOOK_S = 0.25


@dataclass
class Report:
    """How it went."""

    restored: list[str] = field(default_factory=list)
    left: dict[str, str] = field(default_factory=dict)
    """Channels that somebody else set meanwhile and that are left to them."""
    pending: dict[str, str] = field(default_factory=dict)
    """What is not back, and why."""
    parked: set[str] = field(default_factory=set)
    """Channels of ``pending`` whose setpoint is back: who sets another one from now on is somebody else."""


@dataclass(frozen=True, slots=True)
class Present:
    """A channel as it is now."""

    bias_V: float
    held_V: float
    """``BIAS_RBV``, NaN if INVALID."""
    enabled: bool
    """``ENABLE``: what was asked for."""
    is_on: bool
    """``ENABLE_RBV``: what the device says. An IOC that was restarted may have forgotten that it was switched on."""
    state: ChannelState
    trip_cause: int
    current_limit_uA: float
    ramp_up: float
    ramp_down: float


def verdict(held: Held, present: Present, tolerance_V: float) -> str:
    """Why a channel is not as it was, empty if it is."""
    reason = voltage_verdict(held, present, tolerance_V)
    if reason:
        return reason
    if (present.current_limit_uA, present.ramp_up, present.ramp_down) != (held.current_limit_uA, held.ramp_up, held.ramp_down):
        return "CURRENT_LIMIT, RAMP_UP or RAMP_DOWN are not what they were"
    return ""


def voltage_verdict(held: Held, present: Present, tolerance_V: float) -> str:
    """As ``verdict``, of setpoint and output alone."""
    if present.state is ChannelState.DISCONNECTED:
        return "is disconnected"
    if abs(present.bias_V - held.bias_V) > _SAME_V:
        return f"BIAS is {present.bias_V:.3f} V, not {held.bias_V:.3f} V"
    if not held.on:
        off = present.state.is_off and not present.is_on and not present.enabled
        return "" if off else f"is {present.state.text}, and was off"
    if present.state is ChannelState.TRIPPED:
        cause = TripCause(present.trip_cause).text
        return f"tripped ({cause}); BIAS is back at {held.bias_V:.3f} V, it stays off until somebody resets and enables it"
    if present.state.is_off:
        return f"is {present.state.text}, and was on; BIAS is back at {held.bias_V:.3f} V, somebody has to enable it"
    if not present.state.at_rest or not held.holds(present.held_V, tolerance_V):
        return f"is {present.state.text} with {present.held_V:.3f} V, not at {held.bias_V:.3f} V"
    return ""


def hopeless(held: Held, present: Present) -> bool:
    """Whether waiting brings a channel nowhere by itself."""
    if present.state in (ChannelState.DISCONNECTED, ChannelState.ERROR):
        return True
    return present.state.is_off and not present.is_on and (held.on or not present.enabled)


def taken(held: Held, present: Present) -> str:
    """What somebody else did to a channel, empty if nothing."""
    if not held.ours(present.bias_V):
        return f"was set to {present.bias_V:.3f} V by somebody else, and is left so"
    if held.on and not present.enabled and not present.is_on and present.state is ChannelState.OFF:
        return f"was switched off by somebody else, and is left so with BIAS {held.bias_V:.3f} V"
    return ""


class Restoration:
    """One attempt after the other, until everything is back.

    Args:
        channels: Channel Access.
        point: what to put back.
        left: channels known to be another client's, and what it did.
        sleep: waits; ``time.sleep`` but in tests.
    """

    def __init__(
        self,
        channels: Channels,
        point: OperatingPoint,
        left: Mapping[str, TakenOver] | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._channels = channels
        self.point = point
        self._left = dict(left or {})
        self._sleep = sleep
        self._refused: dict[str, str] = {}
        """Why the last put to a channel was refused."""

    def attempt(self) -> Report:
        """Put back what is not back, and wait for it; never raises because of a channel."""
        report = Report()
        present = self._look(report)
        mine: dict[str, Held] = {}
        for name, now in present.items():
            held = self.point.channels[name]
            known = self._left.get(name)
            reason = known.what if known is not None else taken(held, now)
            if reason:
                report.left[name] = reason
            else:
                mine[name] = held
        self._give_back(present)
        self._park(report.left, present)
        self._put_back(mine, present)
        self._wait(mine, present)
        limits = {f"{name}:CURRENT_LIMIT": held.current_limit_uA for name, held in mine.items() if self._may_rise(name, held)}
        self._put(limits)
        self._put({f"{controller}:POLL_PERIOD": period for controller, period in self.point.polls.items()})
        self._judge(mine, report)
        return report

    def _may_rise(self, name: str, held: Held) -> bool:
        now = self._read([name]).get(name)
        safe = now is not None and (now.state.is_off or not now.held_V > held.bias_V + _ABOVE_V)
        return now is not None and safe and now.current_limit_uA != held.current_limit_uA

    def _give_back(self, present: Mapping[str, Present]) -> None:
        """A setpoint of another client that the scan has overwritten before it knew holds again."""
        wanted = {name: err.bias_V for name, err in self._left.items() if name in present and err.bias_V is not None}
        self._put(
            {
                f"{name}:BIAS": volts
                for name, volts in wanted.items()
                if abs(present[name].bias_V - volts) > _SAME_V and self.point.channels[name].ours(present[name].bias_V)
            }
        )

    def _park(self, left: Mapping[str, str], present: Mapping[str, Present]) -> None:
        """A channel that somebody switched off stays off, but must not come back at a voltage of the scan."""
        off = {name: now for name, now in present.items() if name in left and now.state is ChannelState.OFF and not now.enabled}
        held = self.point.channels
        self._put({f"{name}:BIAS": held[name].bias_V for name, now in off.items() if held[name].ours(now.bias_V)})

    def _put_back(self, mine: Mapping[str, Held], present: Mapping[str, Present]) -> None:
        first: dict[str, PvData] = {}
        off: dict[str, PvData] = {}
        bias: dict[str, PvData] = {}
        for name, held in mine.items():
            now = present[name]
            if now.current_limit_uA > held.current_limit_uA:
                first[f"{name}:CURRENT_LIMIT"] = held.current_limit_uA
            if now.ramp_up != held.ramp_up:
                first[f"{name}:RAMP_UP"] = held.ramp_up
            if now.ramp_down != held.ramp_down:
                first[f"{name}:RAMP_DOWN"] = held.ramp_down
            if not held.on and (now.enabled or now.is_on):
                off[f"{name}:ENABLE"] = 0
            if now.bias_V != held.bias_V or (held.on and now.state.at_rest and not held.holds(now.held_V, _SAME_V)):
                bias[f"{name}:BIAS"] = held.bias_V
        for step in (first, off, bias):
            self._put(step)

    def _wait(self, mine: Mapping[str, Held], present: Mapping[str, Present]) -> None:
        deadline = (
            time.monotonic() + max((_travel_s(held, present[name]) for name, held in mine.items()), default=0) + _PATIENCE_S
        )
        moving = set(mine)
        while moving and time.monotonic() < deadline:
            now = self._read(sorted(moving))
            moving = {
                name for name, is_ in now.items() if voltage_verdict(mine[name], is_, _SAME_V) and not hopeless(mine[name], is_)
            }
            if moving:
                self._sleep(_LOOK_S)

    def _judge(self, mine: Mapping[str, Held], report: Report) -> None:
        now = self._read(list(mine))
        for name, held in mine.items():
            reason = verdict(held, now[name], _CLOSE_V) if name in now else "does not answer"
            if reason:
                report.pending[name] = f"{reason} ({self._refused[name]})" if name in self._refused else reason
                if name in now and abs(now[name].bias_V - held.bias_V) <= _SAME_V:
                    report.parked.add(name)
            else:
                report.restored.append(name)
        for controller, period in self.point.polls.items():
            answer = self._channels.get([f"{controller}:POLL_PERIOD"])[f"{controller}:POLL_PERIOD"]
            if not isinstance(answer, PvValue):
                report.pending[controller] = "does not answer"
            elif answer.value != period:
                report.pending[controller] = f"POLL_PERIOD is {answer.value} s, not {period:g} s"
            else:
                report.restored.append(controller)

    def _look(self, report: Report) -> dict[str, Present]:
        present = self._read(list(self.point.channels))
        report.pending.update({name: "does not answer" for name in self.point.channels if name not in present})
        return present

    def _read(self, names: list[str]) -> dict[str, Present]:
        answers = self._channels.get([f"{name}:{item}" for name in names for item in _READ], timeout=3.0)
        found: dict[str, Present] = {}
        for name in names:
            row = [answers[f"{name}:{item}"] for item in _READ]
            values = [answer for answer in row if isinstance(answer, PvValue)]
            if len(values) == len(row):
                found[name] = _present(values)
        return found

    def _put(self, values: Mapping[str, PvData]) -> None:
        """The device decides whether it is back; what was refused is added to that verdict."""
        for pv, completion in put_completed(self._channels, values).items():
            name, _, item = pv.rpartition(":")
            if completion.result is Completed.REFUSED:
                self._refused[name] = f"{item} refused: {completion.reason}"
            else:
                self._refused.pop(name, None)


def _travel_s(held: Held, present: Present) -> float:
    """Time of the ramp back, s."""
    if math.isnan(present.held_V):
        return 0.0
    target_V = held.bias_V if held.on else 0.0
    return abs(present.held_V - target_V) / min(present.ramp_up, present.ramp_down)


def _present(values: list[PvValue]) -> Present:
    numbers = [float(value.value) if isinstance(value.value, int | float) else math.nan for value in values]
    bias, held, enable, is_on, state, cause, limit, up, down = numbers
    if values[1].severity is Severity.INVALID:
        held = math.nan
    return Present(bias, held, bool(enable), bool(is_on), ChannelState(int(state)), int(cause), limit, up, down)
