"""Finger spectrum: a normal peak per number of fired pixels, weighted by the generalised Poisson law."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from analysis.fit.generalised_poisson import law

Floats = NDArray[np.float64]

NAMES = ("pedestal", "gain", "s0", "v1", "mu", "lambda")


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


def fractions(parameters: Parameters, edges: Floats, largest: int) -> tuple[Floats, Floats]:
    """Probability of each bin, the first and last without end, and its derivatives.

    Peak k is normal around ``pedestal + k gain`` with variance ``s0² + k v1``.

    Args:
        parameters: of the model.
        edges: shape (B + 1,), ascending.
        largest: number of pixels of the last peak.

    Returns:
        Shapes (B,) and (B, 6), derivatives in the order of ``NAMES``.
    """
    pixels = law(parameters.mu, parameters.lam, largest)
    k = np.arange(largest + 1, dtype=float)
    sigma = np.sqrt(parameters.s0**2 + k * parameters.v1)
    z = (edges[1:-1, None] - (parameters.pedestal + k * parameters.gain)) / sigma
    below = ndtr(z)
    density = np.exp(-0.5 * z * z) / (np.sqrt(2 * np.pi) * sigma)
    sloped = density * (-z / (2 * sigma))
    cumulated = np.empty((len(edges), 7))
    cumulated[0] = 0.0
    weights = pixels.p
    inner = cumulated[1:-1]
    inner[:, 0] = below @ weights
    inner[:, 1] = -density @ weights
    inner[:, 2] = -density @ (weights * k)
    inner[:, 3] = sloped @ (weights * 2 * parameters.s0)
    inner[:, 4] = sloped @ (weights * k)
    inner[:, 5] = below @ pixels.by_mu
    inner[:, 6] = below @ pixels.by_lam
    cumulated[-1] = (weights.sum(), 0, 0, 0, 0, pixels.by_mu.sum(), pixels.by_lam.sum())
    binned = np.diff(cumulated, axis=0)
    return binned[:, 0], binned[:, 1:]


def density(parameters: Parameters, charge: Floats, largest: int) -> Floats:
    """Contribution of each peak per ADC count, shape (len(charge), largest + 1)."""
    k = np.arange(largest + 1, dtype=float)
    sigma = np.sqrt(parameters.s0**2 + k * parameters.v1)
    z = (charge[:, None] - (parameters.pedestal + k * parameters.gain)) / sigma
    return law(parameters.mu, parameters.lam, largest).p * np.exp(-0.5 * z * z) / (np.sqrt(2 * np.pi) * sigma)
