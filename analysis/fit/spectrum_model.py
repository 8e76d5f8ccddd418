"""Finger spectrum: a normal peak per number of fired pixels, weighted by the generalised Poisson law.

A pulse that comes late (afterpulse, delayed crosstalk) is cut off by the end of the gate. That charge is missing between the
peaks: an event of k pixels has one late pulse with the probability ``1 - (1 - delayed)^(k-1)``, and any part of it may be lost.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from analysis.fit.generalised_poisson import law

Floats = NDArray[np.float64]

NAMES = ("pedestal", "gain", "s0", "v1", "mu", "lambda", "delayed")


class Parameters(NamedTuple):
    """Of the spectrum turned so that pulses are positive."""

    pedestal: float
    gain: float
    """ADC counts from peak to peak, above 0."""
    s0: float
    """Standard deviation of the pedestal, ADC counts."""
    v1: float
    """Variance that each pixel adds, ADC counts squared."""
    mu: float
    lam: float
    delayed: float = 0.0
    """Probability per pixel after the first to be late, 0 … 1."""


class Ends(NamedTuple):
    """Where a spectrum was cut: no event beyond that end was kept, however many there were."""

    low: bool = False
    high: bool = False


WHOLE = Ends()


def fractions(
    parameters: Parameters, edges: Floats, largest: int, *, with_delayed: bool = False, cut: Ends = WHOLE
) -> tuple[Floats, Floats]:
    """Probability of each bin, the first and last without end, and its derivatives.

    Peak k is normal around ``pedestal + k gain`` with variance ``s0² + k v1``; late pulses smear it evenly down to peak k - 1.

    Args:
        parameters: of the model.
        edges: shape (B + 1,), ascending.
        largest: number of pixels of the last peak.
        with_delayed: whether there are late pulses at all.
        cut: ends where the first or last bin has an end after all; probabilities are those of an event in between.

    Returns:
        Shapes (B,) and (B, 6), or (B, 7) with late pulses; derivatives in the order of ``NAMES``.
    """
    pixels = law(parameters.mu, parameters.lam, largest)
    k = np.arange(largest + 1, dtype=float)
    sigma = np.sqrt(parameters.s0**2 + k * parameters.v1)
    inside = slice(0 if cut.low else 1, None if cut.high else -1)
    away = edges[inside, None] - (parameters.pedestal + k * parameters.gain)
    z = away / sigma
    below = ndtr(z)
    normal = np.exp(-0.5 * z * z) / np.sqrt(2 * np.pi)
    late, by_late = _late(k, parameters.delayed)
    prompt = 1 - late
    by_place = normal @ (-pixels.p * prompt / sigma)
    by_gain = normal @ (-pixels.p * prompt * k / sigma)
    by_sigma = -z * normal / sigma
    cumulated = np.zeros((len(edges), 8 if with_delayed else 7))
    inner = cumulated[inside]
    inner[:, 0] = below @ (pixels.p * prompt)
    inner[:, 1], inner[:, 2] = by_place, by_gain
    inner[:, 3] = by_sigma @ (pixels.p * prompt * parameters.s0 / sigma)
    inner[:, 4] = by_sigma @ (pixels.p * prompt * k / (2 * sigma))
    inner[:, 5] = below @ (pixels.by_mu * prompt)
    inner[:, 6] = below @ (pixels.by_lam * prompt)
    if with_delayed:
        gain = parameters.gain
        y = (away + gain) / sigma
        below_y, normal_y = ndtr(y), np.exp(-0.5 * y * y) / np.sqrt(2 * np.pi)
        # the integral of a normal distribution function over one gain, over the gain
        smeared = sigma / gain * (y * below_y + normal_y - z * below - normal)
        weights = pixels.p * late
        inner[:, 0] += smeared @ weights
        inner[:, 1] -= (below_y - below) @ (weights / gain)
        inner[:, 2] += (below * k - below_y * (k - 1) - smeared) @ (weights / gain)
        widened = (normal_y - normal) / gain
        inner[:, 3] += widened @ (weights * parameters.s0 / sigma)
        inner[:, 4] += widened @ (weights * k / (2 * sigma))
        inner[:, 5] += smeared @ (pixels.by_mu * late)
        inner[:, 6] += smeared @ (pixels.by_lam * late)
        inner[:, 7] = (smeared - below) @ (pixels.p * by_late)
    if not cut.high:
        cumulated[-1, 0] = pixels.p.sum()
        cumulated[-1, 5:7] = pixels.by_mu.sum(), pixels.by_lam.sum()
    binned = np.diff(cumulated, axis=0)
    if cut == WHOLE:
        return binned[:, 0], binned[:, 1:]
    kept = np.maximum(cumulated[-1] - cumulated[0], [1e-12, *[-np.inf] * (cumulated.shape[1] - 1)])
    probability = binned[:, 0] / kept[0]
    return probability, (binned[:, 1:] - np.outer(probability, kept[1:])) / kept[0]


def _late(k: Floats, delayed: float) -> tuple[Floats, Floats]:
    """Probability of a late pulse among k, and its derivative."""
    more = np.maximum(k - 1, 0.0)
    return 1 - (1 - delayed) ** more, more * (1 - delayed) ** np.maximum(more - 1, 0.0)


def density(parameters: Parameters, charge: Floats, largest: int) -> Floats:
    """Contribution of each peak per ADC count, shape (len(charge), largest + 1)."""
    k = np.arange(largest + 1, dtype=float)
    sigma = np.sqrt(parameters.s0**2 + k * parameters.v1)
    z = (charge[:, None] - (parameters.pedestal + k * parameters.gain)) / sigma
    late, _ = _late(k, parameters.delayed)
    peak = np.exp(-0.5 * z * z) / (np.sqrt(2 * np.pi) * sigma)
    smeared = (ndtr(z + parameters.gain / sigma) - ndtr(z)) / parameters.gain
    return law(parameters.mu, parameters.lam, largest).p * ((1 - late) * peak + late * smeared)
