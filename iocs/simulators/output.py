"""A bias output: follows its setpoint at a slew rate or as a first-order lag, and feeds a SiPM. Time is passed in."""

from __future__ import annotations

import math
from dataclasses import dataclass

from iocs.simulators.climate import Climate
from iocs.simulators.faults import Faults, Knob
from iocs.simulators.sipm import Sipm, seeded


@dataclass(slots=True)
class Output:
    """Voltage of one output."""

    level_V: float = 0.0
    time: float = 0.0

    def slew(self, target_V: float, rate: float, now: float) -> float:
        """Move towards ``target_V`` at ``rate`` V/s and return where it is at ``now``."""
        reach = rate * max(now - self.time, 0.0)
        self.time = now
        self.level_V += max(-reach, min(reach, target_V - self.level_V))
        return self.level_V

    def lag(self, target_V: float, tau_s: float, now: float) -> float:
        """Approach ``target_V`` with time constant ``tau_s`` and return where it is at ``now``."""
        gap = max(now - self.time, 0.0)
        self.time = now
        self.level_V = target_V + (self.level_V - target_V) * math.exp(-gap / tau_s)
        return self.level_V


class Load:
    """A SiPM at its place: what its channel measures of it, faults included."""

    def __init__(self, controller: str, channel: int, sipm: Sipm, climate: Climate, faults: Faults) -> None:
        self.sipm = sipm
        self._channel = channel
        self._climate = climate
        self._faults = faults
        self._noise = seeded("noise", controller, channel)

    def temperature(self, now: float) -> float:
        """True temperature, °C."""
        forced = self._faults.channel(self._channel, Knob.TEMPERATURE)
        return self._climate.temperature(self._channel, now) if forced is None else forced

    def measured_temperature(self, now: float) -> float:
        """Temperature with sensor noise, °C."""
        return self.temperature(now) + self._noise.gauss(0, 0.02)

    def current(self, bias_V: float, now: float) -> float:
        """Current with noise, µA; extra current flows only while there is voltage."""
        extra = self._faults.channel(self._channel, Knob.EXTRA_CURRENT) or 0.0
        dark = self.sipm.current(bias_V, self.temperature(now))
        return max(dark * (1 + self._noise.gauss(0, 0.01)) + (extra if bias_V > 1 else 0.0), 0.0)

    def ripple(self, sigma_V: float) -> float:
        """Noise of a voltage measurement, V."""
        return self._noise.gauss(0, sigma_V)
