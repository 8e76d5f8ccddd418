"""Ramps in software, for outputs that jump or move faster than wanted. Pure: time comes in, setpoints come out."""

from __future__ import annotations

from dataclasses import dataclass, replace

MAX_GAP_S = 2.0
"""A loop that was held up does not make up for more than this: a late step must not become a jump."""


@dataclass(frozen=True, slots=True)
class Ramp:
    """A setpoint on its way."""

    target_V: float
    present_V: float
    """Setpoint the device was given last."""
    since: float
    """Monotonic time of it, seconds."""
    then_off: bool = False
    """The output is switched off at the end."""

    @property
    def finished(self) -> bool:
        """Whether the device was given the target."""
        return self.present_V == self.target_V

    @property
    def rising(self) -> bool:
        """Whether the target is above."""
        return self.target_V > self.present_V


@dataclass(frozen=True, slots=True)
class Rates:
    """How fast an output may move, V/s."""

    up: float
    down: float
    device: float | None
    """Rate at which the device moves by itself, ``None`` if it jumps."""

    def allows_jump(self, *, rising: bool) -> bool:
        """Whether the device may be given the target at once, because it moves no faster than wanted."""
        return self.device is not None and self.device <= (self.up if rising else self.down)


def advance(ramp: Ramp, rates: Rates, now: float) -> Ramp:
    """The ramp at time ``now``: its ``present_V`` is what the device is to be given."""
    if ramp.finished:
        return ramp
    if rates.allows_jump(rising=ramp.rising):
        return replace(ramp, present_V=ramp.target_V, since=now)
    gap = min(max(now - ramp.since, 0.0), MAX_GAP_S)
    if ramp.rising:
        present = min(ramp.present_V + rates.up * gap, ramp.target_V)
    else:
        present = max(ramp.present_V - rates.down * gap, ramp.target_V)
    return replace(ramp, present_V=present, since=now)
