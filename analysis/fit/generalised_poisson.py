"""Vinogradov's generalised Poisson law: fired pixels of a Poisson pulse with a chain of crosstalk (arXiv:1109.2014)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

Floats = NDArray[np.float64]


class Law(NamedTuple):
    """Probabilities of 0 … K pixels and their derivatives, each of shape (K + 1,)."""

    p: Floats
    by_mu: Floats
    by_lam: Floats


def law(mu: float, lam: float, largest: int) -> Law:
    """Probabilities of 0 … ``largest`` fired pixels.

    ``P(k) = mu (mu + k lam)^(k-1) exp(-mu - k lam) / k!``; the mean is ``mu / (1 - lam)``, the variance ``mu / (1 - lam)³``.

    Args:
        mu: mean number of primary pixels, above 0.
        lam: mean number of pixels that each pixel fires besides, below 1. A small negative value, which a fit may need on
            its way to zero, cuts the law off where ``mu + k lam`` is not positive.
        largest: K.
    """
    k = np.arange(largest + 1, dtype=float)
    base = mu + k * lam
    inside = base > 0
    safe = np.where(inside, base, 1.0)
    p = np.where(inside, np.exp(np.log(mu) + (k - 1) * np.log(safe) - mu - k * lam - gammaln(k + 1)), 0.0)
    return Law(p, p * (1 / mu + (k - 1) / safe - 1), p * (k * (k - 1) / safe - k))


def from_moments(mean: float, variance: float) -> tuple[float, float]:
    """``mu`` and ``lam`` of the law with this mean and variance; of the Poisson law if the variance is below the mean."""
    lam = 1 - (mean / variance) ** 0.5 if variance > mean else 0.0
    return mean * (1 - lam), lam


def from_zeros(zero_fraction: float, mean: float) -> tuple[float, float]:
    """Quick estimate: ``mu = -ln P(0)``, ``lam = 1 - mu / mean``."""
    mu = -float(np.log(zero_fraction))
    return mu, 1 - mu / mean
