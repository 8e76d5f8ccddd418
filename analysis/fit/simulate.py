"""Simulated raw results of which the truth is known: for tests, measurements of speed and demonstrations.

Nothing of the models that the fits use is used here: pixels are drawn one generation after the other.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Spectrum:
    """A SiPM looking at a flashing light, and what reads it out."""

    gain_adc: float = 60.0
    """Charge of one pixel, ADC counts."""
    pedestal_adc: float = 120.0
    noise_adc: float = 6.0
    """Standard deviation of the electronics."""
    spread_adc: float = 2.5
    """Standard deviation of the charge of one pixel."""
    mu: float = 1.5
    """Mean number of primary pixels per flash."""
    lam: float = 0.15
    """Mean number of pixels that each fired pixel fires besides, below 1."""

    def draw(self, rng: np.random.Generator, events: int) -> Floats:
        """One charge per event, ADC counts, shape (events,)."""
        pixels = generation = rng.poisson(self.mu, events)
        while generation.any():
            generation = rng.poisson(self.lam * generation)
            pixels = pixels + generation
        width = np.sqrt(self.noise_adc**2 + pixels * self.spread_adc**2)
        return self.pedestal_adc + self.gain_adc * pixels + rng.normal(0.0, width)


@dataclass(frozen=True, slots=True)
class Curve:
    """A reverse IV curve: surface leakage below breakdown, avalanches that grow with the square of the overvoltage above."""

    vbr_V: float = 52.5
    leakage_A: float = 2e-11
    """At breakdown; proportional to the bias."""
    slope_A: float = 4e-9
    """Current at 1 V of overvoltage."""
    noise: float = 0.01
    """Relative, of each reading."""

    def draw(self, rng: np.random.Generator, voltages: Floats) -> Floats:
        """Bias and current, shape (N, 2)."""
        over = np.clip(voltages - self.vbr_V, 0.0, None)
        current = self.leakage_A * voltages / self.vbr_V + self.slope_A * over**2
        return np.column_stack([voltages, current * rng.normal(1.0, self.noise, voltages.size)])


def dark_counts(rng: np.random.Generator, rate_Hz: float, window_s: float, windows: int) -> NDArray[np.int64]:
    """Pulses in each window, shape (windows,)."""
    return rng.poisson(rate_Hz * window_s, windows)
