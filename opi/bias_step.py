"""Whether a bias may be sent to a SiPM, and what to ask before: pure.

    verdict = judge_bias(75.1, (57.1, 57.1), sipm)
    verdict.weight      # Weight.REFUSAL
    verdict.text        # "overvoltage 22.600 V, limit is 6.000 V"

The IOC decides in the end, by the same rule (overvoltage at the present temperature against ``OVERVOLTAGE_LIMIT``). What is
judged here is what an operator should see before the put goes out.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from opi.verdict import Verdict, Weight

SMALL_STEP_V = 0.5
"""Steps up to this, within the range of the SiPM, are not asked about: about a tenth of a usual overvoltage."""
LARGE_STEP_V = 2.0
"""Upward steps beyond this are warned of."""
USUAL_OVERVOLTAGE_V = 8.0
"""Where no limit is set, the range of a SiPM ends here: the end of the scale of OVERVOLTAGE_RBV (sipm_channel.template)."""

_SLACK_V = 1e-6
"""57.6 - 57.1 is a little more than 0.5 in binary."""


@dataclass(frozen=True, slots=True)
class SipmRange:
    """Which voltages a SiPM and its channel may have, as far as that is known now; V."""

    device: tuple[float, float] | None = None
    """What the device can give; ``None`` if it is not known."""
    breakdown_V: float | None = None
    """At the present temperature; ``None`` if it is not known."""
    limit_V: float | None = None
    """Overvoltage limit; 0 if there is none, ``None`` if it is not known."""
    shift_V: float | None = 0.0
    """What the device adds to its setpoint to compensate the temperature; ``None`` if it is not known."""
    remark: str = ""
    """Why the breakdown voltage is not known, or at which temperature it holds."""

    def overvoltage(self, bias_V: float) -> float | None:
        """How far above breakdown a bias is, V."""
        if self.breakdown_V is None or self.shift_V is None:
            return None
        return bias_V + self.shift_V - self.breakdown_V

    @property
    def max_overvoltage(self) -> float | None:
        """Highest overvoltage of the range."""
        return None if self.limit_V is None else self.limit_V if self.limit_V > 0 else USUAL_OVERVOLTAGE_V

    @property
    def bounds(self) -> tuple[float, float] | None:
        """Setpoints from breakdown to the end of the range, within those of the device; ``None`` if they are not known."""
        if self.breakdown_V is None or self.shift_V is None or self.max_overvoltage is None:
            return None
        low = self.breakdown_V - self.shift_V
        high = low + self.max_overvoltage
        if self.device is not None:
            low, high = (min(max(end, self.device[0]), self.device[1]) for end in (low, high))
        return low, high

    @property
    def text(self) -> str:
        """The range in a few words."""
        if self.bounds is None:
            return "range not known"
        low, high = self.bounds
        return f"{low:.2f} … {high:.2f} V"

    @property
    def details(self) -> tuple[str, ...]:
        """What the range follows from, one fact a line."""
        lines: list[str] = []
        if self.breakdown_V is None:
            lines.append(f"The breakdown voltage is not known: {self.remark}.")
        else:
            lines.append(f"Breakdown voltage {self.breakdown_V:.3f} V" + (f" ({self.remark})." if self.remark else "."))
        if self.shift_V is None:
            lines.append("The shift by the controller's temperature compensation is not known.")
        elif self.shift_V:
            lines.append(f"The controller's temperature compensation adds {self.shift_V:+.3f} V.")
        if self.limit_V is None:
            lines.append("The overvoltage limit is not known.")
        else:
            lines.append(f"Overvoltage limit {self.limit_V:.3f} V." if self.limit_V > 0 else "No overvoltage limit is set.")
        if self.device is None:
            lines.append("The limits of the device are not known.")
        else:
            lines.append(f"Limits of the device {self.device[0]:g} to {self.device[1]:g} V.")
        return tuple(lines)

    def refusal(self, bias_V: float) -> str:
        """Why a bias is not for this channel; empty if nothing that is known speaks against it."""
        if not math.isfinite(bias_V):
            return f"{bias_V} is not a voltage"
        if self.device is not None and not self.device[0] <= bias_V <= self.device[1]:
            return f"{bias_V:.9g} V is not within {self.device[0]:g} … {self.device[1]:g} V, the limits of the device"
        over = self.overvoltage(bias_V)
        if over is not None and self.limit_V is not None and 0 < self.limit_V < over - _SLACK_V:
            return f"overvoltage {over:.3f} V, limit is {self.limit_V:.3f} V"
        return ""

    def is_usual(self, bias_V: float) -> bool:
        """Whether a bias is known not to be above the range."""
        over, end = self.overvoltage(bias_V), self.max_overvoltage
        return over is not None and end is not None and over <= end + _SLACK_V


def judge_bias(channel: str, wanted_V: float, present_V: Sequence[float], sipm: SipmRange, *, on: bool = True) -> Verdict:
    """What a new setpoint needs.

    Args:
        channel: its name.
        wanted_V: the new setpoint.
        present_V: setpoint and what the device holds, in this order, as far as they are known.
        sipm: range of the SiPM.
        on: whether the output is on, so that the voltage follows.
    """
    if reason := sipm.refusal(wanted_V):
        return Verdict(Weight.REFUSAL, reason)
    weight = _step_weight(wanted_V, present_V, sipm)
    if weight is Weight.NONE:
        return Verdict(weight)
    lines = [f"Set {channel} to {wanted_V:.3f} V?"]
    if present_V:
        start = max(present_V, key=lambda volts: abs(wanted_V - volts))
        lines.append(f"From {start:.3f} V, a step of {wanted_V - start:+.3f} V.")
        before, after = sipm.overvoltage(start), sipm.overvoltage(wanted_V)
        if before is not None and after is not None:
            lines.append(f"Overvoltage {before:.3f} V before, {after:.3f} V after.")
    else:
        lines.append("The present voltage is not known.")
        lines += _overvoltage_line(wanted_V, sipm)
    if not on:
        lines.append("The output is off: it goes there when it is switched on.")
    about = (f"{wanted_V:.3f} V", on, *map(float, present_V[:1]), sipm.overvoltage(wanted_V))
    return Verdict(weight, "\n".join([*lines, *_warnings(wanted_V, sipm), *sipm.details]), about)


def judge_switching_on(channel: str, bias_V: float | None, sipm: SipmRange, *, refused: str = "", remark: str = "") -> Verdict:
    """What switching on needs; it goes to the setpoint.

    Args:
        channel: its name.
        bias_V: the setpoint; ``None`` if it is not known.
        sipm: range of the SiPM.
        refused: why the setpoint was refused, if it was; then the IOC refuses switching on, too.
        remark: alarm message of a setpoint that has another alarm.
    """
    lines = [f"Switch {channel} on?"]
    if bias_V is None:
        return Verdict(Weight.WARNING, "\n".join([*lines, "It ramps to its setpoint, which is not known.", *sipm.details]))
    if reason := sipm.refusal(bias_V):
        return Verdict(Weight.REFUSAL, f"setpoint {bias_V:.3f} V: {reason}")
    if refused:
        return Verdict(Weight.REFUSAL, f"setpoint {bias_V:.3f} V was refused: {refused}. Set another one first")
    volts = f"{bias_V:.3f} V"
    lines.append(f"It ramps to its setpoint, {volts}.")
    if remark:
        lines.append(f"That setpoint has an alarm: {remark}.")
    lines += _overvoltage_line(bias_V, sipm)
    usual = sipm.is_usual(bias_V) and not remark
    weight = Weight.QUESTION if usual else Weight.WARNING
    about = (volts, remark, sipm.overvoltage(bias_V))
    return Verdict(weight, "\n".join([*lines, *_warnings(bias_V, sipm), *(() if usual else sipm.details)]), about)


def _step_weight(wanted_V: float, present_V: Sequence[float], sipm: SipmRange) -> Weight:
    if not present_V or not sipm.is_usual(wanted_V):
        falls = bool(present_V) and wanted_V < min(present_V)
        return Weight.QUESTION if falls else Weight.WARNING
    if max(abs(wanted_V - volts) for volts in present_V) <= SMALL_STEP_V + _SLACK_V:
        return Weight.NONE
    return Weight.WARNING if wanted_V - min(present_V) > LARGE_STEP_V + _SLACK_V else Weight.QUESTION


def _overvoltage_line(bias_V: float, sipm: SipmRange) -> list[str]:
    over = sipm.overvoltage(bias_V)
    return [] if over is None else [f"Overvoltage there {over:.3f} V."]


def _warnings(bias_V: float, sipm: SipmRange) -> list[str]:
    over = sipm.overvoltage(bias_V)
    if over is not None and sipm.max_overvoltage is not None and over > sipm.max_overvoltage + _SLACK_V:
        return [f"This is above the usual {sipm.max_overvoltage:g} V of overvoltage and may destroy the SiPM."]
    return []
