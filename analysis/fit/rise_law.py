"""The law that a current follows above a breakdown, and its fit to points of a curve.

``ln I = a + n ln v + b1 v + b2 v² + b3 v³`` with ``v = V - Vbr``: a power of the overvoltage times whatever is smooth in it,
such as an avalanche probability that saturates, crosstalk and afterpulses that grow, a series resistance, self-heating. Its
inverse log derivative ``1 / (d ln I/dV) = v / (n + b1 v + 2 b2 v² + 3 b3 v³)`` meets zero at the breakdown; without ``b`` it is
the straight line of a plain power.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

MAX_BENDS = 3
_MEANS = np.array([0.0, 2.0, 0.0, 0.0, 0.0])
_PRIOR = np.array([0.0, 1.0, 1.0, 2.5, 6.7]) ** 2
"""Of ``a, n, b1, b2, b3``: the exponent is 2 ± 1 (Nagai et al., NIM A 948 (2019) 162796), what bends acts over a volt or more.
Inverse variances; good data override them, and without them high orders fit anything."""
_NEAR_V, _FAR_V = 0.005, 4.0
"""Distances of the zero below the first point that are looked at."""
_PLACES, _FINE_PLACES = 48, 9


@dataclass(frozen=True, slots=True)
class RiseLaw:
    """A fitted law."""

    zero: float
    """Breakdown voltage, V."""
    variance: float
    """Of the zero, V², by the uncertainties that were given."""
    coefficients: NDArray[np.floating]
    """``a, n, b1, …``, shape (2 + bends,)."""
    chi2: float
    penalty: float
    """What the expectations for the coefficients add to chi2."""
    points: int

    @property
    def bends(self) -> int:
        """Number of coefficients that bend the inverse log derivative."""
        return len(self.coefficients) - 2

    @property
    def ndf(self) -> int:
        """Points less parameters, at least 1."""
        return max(self.points - len(self.coefficients) - 1, 1)

    def log_current(self, voltage: Floats, zero: float) -> Floats:
        """Ln of the current in units of that of the fit, the law being moved to another zero; -inf below it."""
        over = voltage - zero
        inside = np.maximum(over, 1e-9)
        return np.where(over > 0, _terms(inside, len(self.coefficients)) @ self.coefficients, -np.inf)

    def inverse_slope(self, voltage: Floats) -> Floats:
        """``1 / (d ln I/dV)``, V."""
        over = voltage - self.zero
        powers = np.arange(len(self.coefficients) - 1)
        # n, b1, 2 b2, 3 b3
        weights = self.coefficients[1:] * np.maximum(powers, 1)
        return over / (np.vander(over, len(powers), increasing=True) @ weights)


def fit_law(voltage: Floats, log_current: Floats, whiten: NDArray[np.floating], bends: int) -> RiseLaw | None:
    """Fit the law with so many bends; ``None`` if no breakdown below the first point fits best.

    Args:
        voltage: shape (N,), ascending, V.
        log_current: ln of the current above the leakage, shape (N,).
        whiten: inverse of the Cholesky factor of its covariance, shape (N, N).
        bends: 0 … ``MAX_BENDS``.
    """
    count = 2 + bends
    mean, prior = _MEANS[:count], _PRIOR[:count]
    target = whiten @ log_current

    def at(zeros: Floats) -> tuple[NDArray[np.floating], ...]:
        """The law is linear in all but its zero: coefficients, chi2, penalty and design for each of some zeros."""
        design = whiten @ _terms(voltage - zeros[:, None], count)
        turned = design.transpose(0, 2, 1)
        found = np.linalg.solve(turned @ design + np.diag(prior), (turned @ target + prior * mean)[..., None])
        residual = target - (design @ found)[..., 0]
        return found[..., 0], (residual**2).sum(axis=1), ((found[..., 0] - mean) ** 2) @ prior, design

    zeros = voltage[0] - np.geomspace(_NEAR_V, _FAR_V, _PLACES)
    _, chi2, penalty, _ = at(zeros)
    best = int(np.argmin(chi2 + penalty))
    if best in (0, _PLACES - 1):
        return None
    zeros = np.linspace(zeros[best - 1], zeros[best + 1], _FINE_PLACES)
    _, chi2, penalty, _ = at(zeros)
    zero = _lowest(zeros, chi2 + penalty)
    (coefficients,), (chi2,), (penalty,), (design,) = at(np.array([zero]))
    over = voltage - zero
    powers = np.arange(1, count)
    moved = -np.vander(over, count - 1, increasing=True) @ (coefficients[1:] * np.maximum(powers - 1, 1)) / over
    jacobian = np.column_stack([whiten @ moved, design])
    information = jacobian.T @ jacobian + np.diag([0.0, *prior])
    variance = float(np.linalg.inv(information)[0, 0])
    if not variance > 0:
        return None
    return RiseLaw(zero, variance, coefficients, float(chi2), float(penalty), len(voltage))


def _terms(over: Floats, count: int) -> Floats:
    """``1, ln v, v, v², v³`` along a new last axis, the first ``count`` of them."""
    return np.stack([np.ones_like(over), np.log(over), over, over**2, over**3][:count], axis=-1)


def _lowest(places: Floats, values: NDArray[np.floating]) -> float:
    """Where the parabola through the lowest of evenly spaced values and its neighbours is lowest."""
    middle = min(max(int(np.argmin(values)), 1), len(values) - 2)
    left, centre, right = values[middle - 1 : middle + 2]
    curvature = left - 2 * centre + right
    shift = 0.5 * (left - right) / curvature if curvature > 0 else 0.0
    return float(places[middle] + np.clip(shift, -1, 1) * (places[1] - places[0]))
