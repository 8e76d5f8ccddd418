"""The IV curve of one channel while it is taken, and the array that the analysis gets. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from sipmdcs.channelstate import ChannelState

MIN_POINTS = 5
"""Fewer are no curve."""


@dataclass(frozen=True, slots=True)
class Look:
    """All of a channel at one poll."""

    time_s: float
    """Time stamp of the current, Unix seconds."""
    set_V: float
    """``BIAS``: what somebody asked for."""
    bias_V: float
    """``BIAS_RBV``: what the device holds."""
    vmon_V: float
    current_uA: float
    temperature_C: float
    """NaN if unknown."""
    state: ChannelState
    trip_cause: str = ""
    valid: bool = True
    """Whether the readings are of this poll and good."""


@dataclass
class Curve:
    """Points by index, so that a point measured again after a pause replaces the first."""

    points: dict[int, tuple[Look, ...]] = field(default_factory=dict)
    stopped: str = ""
    """Why it ends before its range does; empty if it does not."""
    sound: bool = True
    """Whether it ended as it should: at the end of its range or at its ceiling."""

    def stop(self, reason: str, *, sound: bool) -> None:
        """End it; the first reason counts."""
        if not self.stopped:
            self.stopped, self.sound = reason, sound

    def mean_temperature(self) -> float | None:
        """Mean temperature, °C, ``None`` if it was never known."""
        known = [look.temperature_C for looks in self.points.values() for look in looks if math.isfinite(look.temperature_C)]
        return float(np.mean(known)) if known else None

    def array(self) -> NDArray[np.float64]:
        """Shape (N, 2): bias in volt, current in ampere, ascending in bias."""
        offset_V = offset([look for looks in self.points.values() for look in looks])
        rows = [
            (np.mean([look.bias_V for look in looks]) + offset_V, np.mean([look.current_uA for look in looks]) * 1e-6)
            for _, looks in sorted(self.points.items())
        ]
        return np.array(rows, dtype=np.float64).reshape(-1, 2)


def offset(looks: Sequence[Look]) -> float:
    """How much more the output has than its setpoint, V, as its monitor tells over the whole curve.

    One number for all points, because a monitor with one decimal would round the steps away. A difference smaller than half of
    the monitor's last decimal is none.
    """
    measured = np.array([look.vmon_V for look in looks])
    if not measured.size or not np.all(np.isfinite(measured)):
        return 0.0
    difference = float(np.mean(measured - np.array([look.bias_V for look in looks])))
    return 0.0 if abs(difference) <= _resolution(measured) / 2 else difference


def _resolution(values: NDArray[np.float64]) -> float:
    """The decimal step of which all values are multiples, V; 1 mV at the finest."""
    for decimals in range(3):
        scaled = values * 10**decimals
        if np.allclose(scaled, np.round(scaled), rtol=0, atol=1e-6):
            return 10.0**-decimals
    return 1e-3
