"""Where a straight line through correlated points meets zero."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ZeroFit:
    """A weighted straight line about ``centre``."""

    coefficients: Floats
    """Shape (2,): value at the centre and slope."""
    covariance: Floats
    """Of the coefficients, grown by ``scale²``."""
    centre: float
    zero: float
    """Where it meets zero."""
    scale: float
    """1, or sqrt(chi2 / ndf) of points that scatter more than expected."""
    chi2: float
    ndf: float

    @property
    def slope(self) -> float:
        """Rise per unit of x."""
        return float(self.coefficients[1])

    @property
    def slope_sigma(self) -> float:
        """Standard deviation of the slope."""
        return float(np.sqrt(self.covariance[1, 1]))

    @property
    def zero_sigma(self) -> float:
        """Standard deviation of the zero."""
        powers = np.array([1.0, self.zero - self.centre])
        return float(np.sqrt(powers @ self.covariance @ powers) / self.slope)

    def quality(self) -> dict[str, float]:
        """What goes with a result."""
        return {"chi2": self.chi2, "ndf": self.ndf, "scale": self.scale}

    def drawn(self, x: Floats) -> tuple[Floats, Floats]:
        """The line from its zero to the last point, for a plot."""
        places = np.array([self.zero, x[-1]])
        return places, self.coefficients[0] + self.slope * (places - self.centre)


def straight_fit(x: Floats, y: Floats, covariance: Floats) -> ZeroFit:
    """Straight line with weights from the variances, uncertainties from the whole covariance (N, N).

    Smoothed points are correlated, so chi2 is the sum of weighted squared residuals over its expectation times the effective
    number of degrees of freedom (Satterthwaite); uncertainties grow by ``scale`` where the points scatter more than expected.
    """
    weights = 1 / np.sqrt(np.diag(covariance))
    centre = float(np.average(x, weights=weights**2))  # keeps the products of numbers like 50 V small
    design = np.stack([np.ones_like(x), x - centre], axis=1)
    solve = np.linalg.pinv(design * weights[:, None]) * weights
    coefficients = solve @ y
    residual_operator = (np.eye(len(x)) - design @ solve) * weights[:, None]
    expected = residual_operator @ covariance @ residual_operator.T
    mean = float(np.trace(expected))
    ndf = mean**2 / float((expected**2).sum())
    chi2 = float(((residual_operator @ y) ** 2).sum()) / mean * ndf
    scale = float(np.sqrt(max(1.0, chi2 / ndf)))
    zero = centre - float(coefficients[0] / coefficients[1])
    return ZeroFit(coefficients, solve @ covariance @ solve.T * scale**2, centre, zero, scale, chi2, ndf)
