"""Maximum-likelihood fit of bin contents by Fisher scoring: damped Gauss-Newton steps with the expected information.

One evaluation of the model with its derivatives makes one step, which a general minimiser does not achieve; a finger spectrum
takes about ten.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Model = Callable[[Floats], tuple[Floats, Floats]]

LEAST_EXPECTED = 1e-9
"""Events in a bin; keeps an impossible event costly but finite."""
MOST_STEPS = 60
PATIENCE = 5
"""Steps before a fit is called hopeless; most good ones have converged by then."""
CONVERGED = 1e-5
"""Decrease of chi2 that a step still promises: 0.003 standard deviations."""
FIRST_DAMPING = 1e-2
LARGEST_DAMPING = 1e10


@dataclass(frozen=True, slots=True)
class PoissonFit:
    """Where the likelihood is largest."""

    x: Floats
    covariance: NDArray[np.floating]
    """Inverse of the expected information."""
    deviance: float
    """-2 ln of the likelihood ratio to the saturated model; comparable between models of the same bins."""
    expected: Floats
    steps: int


def minimise(
    model: Model, counts: Floats, start: Floats, low: Floats, high: Floats, *, hopeless: float = np.inf
) -> PoissonFit | None:
    """Fit bin contents.

    Args:
        model: from parameters (P,) to expected contents (B,) and their derivatives (B, P).
        counts: shape (B,).
        start: shape (P,), moved inside the bounds.
        low: bounds, shape (P,); the covariance is that without bounds.
        high: the same.
        hopeless: a deviance above this after a few steps ends the fit.

    Returns:
        ``None`` if it does not converge, is hopeless or the parameters are not determined.
    """
    x = np.clip(start, low, high)
    expected, slope = _bounded(model, x)
    lowest = float(deviance(expected, counts).sum())
    damping = FIRST_DAMPING
    for step in range(MOST_STEPS):
        gradient = slope.T @ (counts / expected - 1)
        information = (slope / expected[:, None]).T @ slope
        free = ~(((x <= low) & (gradient < 0)) | ((x >= high) & (gradient > 0)))
        if step >= PATIENCE and lowest > hopeless:
            return None
        if not (np.isfinite(information).all() and np.isfinite(gradient).all()):
            return None
        root = np.sqrt(np.maximum(np.diag(information), 1e-300))
        scaled = information / np.outer(root, root)
        while True:
            move = np.zeros_like(x)
            # least squares, because a start far off may leave a parameter without influence
            damped = scaled[np.ix_(free, free)] + damping * np.eye(int(free.sum()))
            move[free] = np.linalg.lstsq(damped, gradient[free] / root[free])[0] / root[free]
            proposed = np.clip(x + move, low, high)
            actual = proposed - x
            promised = float(2 * gradient @ actual - actual @ information @ actual)
            if promised < CONVERGED and damping <= FIRST_DAMPING:
                return _finish(x, information, lowest, expected, step)
            trial, trial_slope = _bounded(model, proposed)
            reached = float(deviance(trial, counts).sum())
            if reached < lowest:
                x, expected, slope, lowest = proposed, trial, trial_slope, reached
                damping = max(damping / 10, 1e-9)
                break
            damping *= 10
            if damping > LARGEST_DAMPING:
                return _finish(x, information, lowest, expected, step)
    return None


def deviance(expected: Floats, counts: Floats) -> Floats:
    """Likelihood-ratio chi2 of each bin (Baker, Cousins, NIM 221 (1984) 437)."""
    filled = np.where(counts > 0, counts, 1.0)
    return 2 * (expected - counts + np.where(counts > 0, counts * np.log(filled / expected), 0.0))


def goodness(expected: Floats, counts: Floats) -> tuple[float, int]:
    """Likelihood-ratio chi2 and number of bins after merging neighbours until each expects five events."""
    group = np.floor(np.cumsum(expected) / 5.0).astype(int)
    starts = np.flatnonzero(np.diff(group, prepend=-1))
    merged = np.add.reduceat(expected, starts)
    found = np.add.reduceat(counts, starts)
    return float(deviance(merged, found).sum()), len(starts)


def _bounded(model: Model, x: Floats) -> tuple[Floats, Floats]:
    expected, slope = model(x)
    return np.maximum(expected, LEAST_EXPECTED), slope


def _finish(x: Floats, information: Floats, lowest: float, expected: Floats, steps: int) -> PoissonFit | None:
    scale = np.sqrt(np.maximum(np.diag(information), 1e-300))
    try:
        covariance = np.linalg.inv(information / np.outer(scale, scale)) / np.outer(scale, scale)
    except np.linalg.LinAlgError:
        return None
    if not (np.isfinite(covariance).all() and (np.diag(covariance) > 0).all()):
        return None
    return PoissonFit(x, covariance, lowest, expected, steps)
