"""A SiPM: what current it draws at a voltage and a temperature. Pure.

I = I_surface + e·G·DCR·(1 + λ): gain rises linearly with overvoltage, dark rate about linearly, crosstalk λ with its square;
the dark rate doubles every 9 K. S13360-3050 at 3 V and 25 °C: gain 1.7e6, 500 kHz, 0.136 µA (Hamamatsu data sheet).
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from hashlib import sha256

REFERENCE_C = 25.0
_DOUBLING_K = 9.0
_CROSSTALK = 0.03
"""Of the S13360-3050 at its nominal overvoltage."""

_SURFACE_OHM = 50e9
"""Leakage past the junction: 1 nA at 50 V."""


@dataclass(frozen=True, slots=True)
class Sipm:
    """Constants of one device."""

    vbr_V: float
    """Breakdown voltage at 25 °C."""
    dark_uA: float = 0.1
    """Dark current at the nominal overvoltage and 25 °C, surface current left out."""
    nominal_V: float = 5.0
    """Nominal overvoltage."""
    slope_V: float = 0.054
    """Change of the breakdown voltage, V/K."""

    def breakdown(self, temperature_C: float) -> float:
        """Breakdown voltage at a temperature, V."""
        return self.vbr_V + self.slope_V * (temperature_C - REFERENCE_C)

    def current(self, bias_V: float, temperature_C: float) -> float:
        """Dark current in µA."""
        surface = max(bias_V, 0.0) / _SURFACE_OHM * 1e6
        over = bias_V - self.breakdown(temperature_C)
        if over <= 0:
            return surface
        ratio = over / self.nominal_V
        crosstalk = (1 + _CROSSTALK * ratio * ratio) / (1 + _CROSSTALK)
        heat = 2 ** ((temperature_C - REFERENCE_C) / _DOUBLING_K)
        return surface + self.dark_uA * ratio * ratio * crosstalk * heat


def seeded(*parts: object) -> random.Random:
    """A generator that is the same for the same parts on every machine and in every run."""
    digest = sha256(":".join(map(str, parts)).encode()).digest()
    return random.Random(digest)  # noqa: S311 - noise, not a secret


def sipm_of(controller: str, channel: int, vbr_V: float | None = None) -> Sipm:
    """The SiPM on a channel: breakdown voltage as given, the rest drawn from what such detectors show."""
    draw = seeded("sipm", controller, channel)
    drawn_V = draw.uniform(51.6, 52.9)
    return Sipm(drawn_V if vbr_V is None else vbr_V, draw.uniform(0.059, 0.13))
