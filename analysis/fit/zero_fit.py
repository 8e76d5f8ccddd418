"""Where a line, or a slightly bent one, through correlated points meets zero."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

STRAIGHT_SIGMAS, BENT_SIGMAS = 1.0, 2.5
"""Curvature over its uncertainty below which a line is straight, and above which it is bent."""
EXTRAPOLATION = 0.5
"""Of the distance between the zeros of both, the uncertainty of the extrapolation where the line is not surely straight."""
LARGEST_BEND = 0.5
"""Of the slope at the zero, relative to that of the straight line; with more the parabola is no bent line."""
FEWEST_FOR_BEND = 6
_DRAWN = 30


@dataclass(frozen=True, slots=True)
class ZeroFit:
    """A weighted polynomial of first or second degree about ``centre``."""

    coefficients: Floats
    """Shape (2,) or (3,), rising powers."""
    covariance: Floats
    """Of the coefficients, grown by ``scale²``."""
    centre: float
    zero: float
    """Where it meets zero; of a parabola the root beside the zero of its tangent at the centre."""
    scale: float
    """1, or sqrt(chi2 / ndf) of points that scatter more than expected."""
    chi2: float
    ndf: float
    extrapolation: float = 0.0
    """Standard deviation of the zero because the law of the points is not known."""

    @property
    def slope(self) -> float:
        """Where it meets zero."""
        return float(self.coefficients[1] + 2 * sum(self.coefficients[2:]) * (self.zero - self.centre))

    @property
    def slope_sigma(self) -> float:
        """Standard deviation of the slope at the centre."""
        return float(np.sqrt(self.covariance[1, 1]))

    @property
    def zero_sigma(self) -> float:
        """Standard deviation of the zero."""
        powers = (self.zero - self.centre) ** np.arange(len(self.coefficients))
        return float(np.hypot(np.sqrt(powers @ self.covariance @ powers) / self.slope, self.extrapolation))

    def quality(self) -> dict[str, float]:
        """What goes with a result."""
        return {"chi2": self.chi2, "ndf": self.ndf, "scale": self.scale}

    def drawn(self, x: Floats) -> tuple[Floats, Floats]:
        """The polynomial from its zero to the last point, for a plot."""
        places = np.linspace(self.zero, x[-1], 2 if len(self.coefficients) == 2 else _DRAWN)
        return places, np.polynomial.polynomial.polyval(places - self.centre, self.coefficients)


def straight_fit(x: Floats, y: Floats, covariance: Floats) -> ZeroFit:
    """Straight line with weights from the variances, uncertainties from the whole covariance (N, N)."""
    return _fit(x, y, covariance, 1, lambda offset, slope: -offset / slope)


def bent_fit(straight: ZeroFit, x: Floats, y: Floats, covariance: Floats) -> ZeroFit:
    """A parabola if the points are clearly bent, the straight line given if not.

    A straight line through bent points is extrapolated to a zero that may be wrong by many times its uncertainty, which tells
    only of the measurement.
    """
    if len(x) < FEWEST_FOR_BEND:
        return straight
    bent = _fit(x, y, covariance, 2, _root)
    curvature = abs(bent.coefficients[2]) / np.sqrt(bent.covariance[2, 2])
    if curvature <= STRAIGHT_SIGMAS or not abs(bent.slope / straight.slope - 1) < LARGEST_BEND:
        return straight
    extrapolation = EXTRAPOLATION * abs(bent.zero - straight.zero)
    return replace(bent if curvature > BENT_SIGMAS else straight, extrapolation=extrapolation)


def _fit(x: Floats, y: Floats, covariance: Floats, degree: int, zero_of: Callable[..., float]) -> ZeroFit:
    """Weighted polynomial.

    Smoothed points are correlated, so chi2 is the sum of weighted squared residuals over its expectation times the effective
    number of degrees of freedom (Satterthwaite); uncertainties grow by ``scale`` where the points scatter more than expected.
    """
    weights = 1 / np.sqrt(np.diag(covariance))
    centre = float(np.average(x, weights=weights**2))  # keeps the products of numbers like 50 V small
    design = np.vander(x - centre, degree + 1, increasing=True)
    solve = np.linalg.pinv(design * weights[:, None]) * weights
    coefficients = solve @ y
    residual_operator = (np.eye(len(x)) - design @ solve) * weights[:, None]
    expected = residual_operator @ covariance @ residual_operator.T
    mean = float(np.trace(expected))
    ndf = mean**2 / float((expected**2).sum())
    chi2 = float(((residual_operator @ y) ** 2).sum()) / mean * ndf
    scale = float(np.sqrt(max(1.0, chi2 / ndf)))
    zero = centre + zero_of(*coefficients.tolist())
    return ZeroFit(coefficients, solve @ covariance @ solve.T * scale**2, centre, zero, scale, chi2, ndf)


def _root(offset: float, slope: float, bend: float) -> float:
    """The root of a parabola that its tangent has too, stable for a small bend; NaN if there is none."""
    discriminant = slope**2 - 4 * offset * bend
    return -2 * offset / (slope + discriminant**0.5) if discriminant > 0 and slope > 0 else float("nan")
