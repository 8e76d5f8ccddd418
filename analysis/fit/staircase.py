"""Rate over threshold: what the steps of a staircase say about crosstalk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from analysis.fit.dark_count import Rate
from analysis.outcome import NoResult


@dataclass(frozen=True, slots=True)
class Step:
    """Rate at one threshold."""

    threshold_mV: float
    rate: Rate


def staircase_crosstalk(steps: Sequence[Step], pixel_mV: float, resolving_s: float = 0.0) -> tuple[float, float]:
    """Crosstalk probability R(1.5)/R(0.5) and its uncertainty, 0 … 1, without chance coincidences.

    Args:
        steps: by rising threshold.
        pixel_mV: height of the pulse of one pixel.
        resolving_s: two pulses within this time pass for one of twice the height.

    Raises:
        NoResult: the thresholds do not reach from half a pixel to one and a half, or no rate is left there.
    """
    if not (np.isfinite(pixel_mV) and pixel_mV > 0):
        raise NoResult(f"pulse height of {pixel_mV:g} mV: it must be above 0 mV")
    half, half_error = _rate_at(steps, 0.5 * pixel_mV)
    high, high_error = _rate_at(steps, 1.5 * pixel_mV)
    chance = half * resolving_s
    ratio = high / half - chance
    error = float(np.hypot(high_error / half, half_error * (high / half**2 + resolving_s)))
    return ratio, error


def _rate_at(steps: Sequence[Step], threshold_mV: float) -> tuple[float, float]:
    """Rate between two thresholds, straight in its logarithm, and its uncertainty."""
    places = np.array([step.threshold_mV for step in steps])
    if not places.size or not places[0] <= threshold_mV <= places[-1]:
        reach = f"from {places[0]:g} to {places[-1]:g} mV" if places.size else "at none"
        raise NoResult(f"no rate at {threshold_mV:g} mV: the thresholds are {reach}")
    above = int(np.searchsorted(places, threshold_mV))
    below = max(above - 1, 0) if places[above] != threshold_mV else above
    rates = [(steps[index].rate.rate_Hz, steps[index].rate.uncertainty_Hz) for index in (below, above)]
    if min(rate for rate, _ in rates) <= 0:
        raise NoResult(f"no rate at {threshold_mV:g} mV: nothing was counted there")
    share = 0.0 if above == below else float((threshold_mV - places[below]) / (places[above] - places[below]))
    logs = [np.log(rate) for rate, _ in rates]
    value = float(np.exp((1 - share) * logs[0] + share * logs[1]))
    relative = np.hypot((1 - share) * rates[0][1] / rates[0][0], share * rates[1][1] / rates[1][0])
    return value, value * float(relative)
