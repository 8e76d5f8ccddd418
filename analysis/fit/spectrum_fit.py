"""Fit of a finger spectrum: gain, pedestal, noise, light and crosstalk with their uncertainties, or the reason why not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

from analysis.fit.charges import Charges, Histogram, check_charges, histogram
from analysis.fit.generalised_poisson import from_zeros
from analysis.fit.spectrum_model import NAMES, Parameters, fractions
from analysis.fit.spectrum_start import starting_values
from analysis.outcome import NoResult

Floats = NDArray[np.float64]

MOST_BINS = 1000
MOST_PIXELS = 300
WIDEST_PEAK = 0.42
"""Standard deviation over distance of the first peak; from 0.5 on two equal peaks have no valley between them."""
LEAST_PEAK = 5.0
"""Expected events of the second peak."""
WORST_CHI2 = 100.0
"""chi2 / ndf above which the law does not describe the data at all."""
POOR_SIGMAS = 4.0
"""chi2 this many standard deviations above ndf is no chance: uncertainties grow by sqrt(chi2 / ndf)."""


@dataclass(frozen=True, slots=True)
class SpectrumFit:
    """Result of the fit, of the charges as they came (pedestal in ADC counts), gain positive for either polarity."""

    parameters: Parameters
    """Of the spectrum turned so that pulses are positive."""
    covariance: Floats
    """Shape (6, 6), order of ``spectrum_model.NAMES``; grown by ``scale²``."""
    polarity: int
    chi2: float
    ndf: int
    scale: float
    """1, or sqrt(chi2 / ndf) of a poor fit."""
    largest: int
    """Pixels of the last peak of the model."""
    events: int
    histogram: Histogram
    """Of the turned charges."""
    quality: Mapping[str, float]

    @property
    def pedestal(self) -> float:
        """Pedestal as measured, ADC counts."""
        return self.polarity * self.parameters.pedestal

    def uncertainty(self, name: str) -> float:
        """Standard deviation of a parameter of ``spectrum_model.NAMES``."""
        index = NAMES.index(name)
        return float(np.sqrt(self.covariance[index, index]))


def fit_spectrum(array: NDArray[np.generic]) -> SpectrumFit:
    """Binned maximum-likelihood fit of normal peaks with generalised Poisson weights.

    Args:
        array: charges, shape (N,), ADC counts, either polarity.

    Raises:
        NoResult: the charges cannot be used, or show no peaks that can be told apart.
    """
    charges = check_charges(array)
    starts = starting_values(charges)
    if not starts:
        raise NoResult("no peaks: the spectrum shows one peak or none, so there is no distance to measure")
    fits = []
    for start in starts:
        fit = _fit(charges, start)
        if fit is not None:
            fits.append(fit)
    if not fits:
        raise NoResult("the fit does not converge from any starting value")
    best = min(fits, key=lambda fit: fit.chi2 / max(fit.ndf, 1))
    _judge(best)
    return best


def _judge(fit: SpectrumFit) -> None:
    parameters = fit.parameters
    width = float(np.sqrt(parameters.s0**2 + parameters.v1)) / parameters.gain
    if width > WIDEST_PEAK:
        raise NoResult(f"peaks not resolved: their noise is {width:.2f} of their distance, at most {WIDEST_PEAK} is usable")
    if fit.ndf > 0 and fit.chi2 / fit.ndf > WORST_CHI2:
        raise NoResult(f"the spectrum is no finger spectrum: chi2/ndf {fit.chi2 / fit.ndf:.0f}")


def _fit(charges: Charges, start: Parameters) -> SpectrumFit | None:
    """The fit from one set of starting values, ``None`` if it fails."""
    values = charges.values
    span = float(values[-1] - values[0])
    binned = histogram(charges, max(start.s0 / 2, span / MOST_BINS))
    largest = min(int((values[-1] - start.pedestal) / start.gain) + 4, MOST_PIXELS)
    counts = binned.counts

    def residuals(x: Floats) -> Floats:
        expected = np.maximum(values.size * fractions(Parameters(*x), binned.edges, largest)[0], 1e-9)
        return np.sign(expected - counts) * np.sqrt(np.maximum(_deviance(expected, counts), 0.0))

    def jacobian(x: Floats) -> Floats:
        probability, slope = fractions(Parameters(*x), binned.edges, largest)
        expected = np.maximum(values.size * probability, 1e-9)
        root = np.sign(expected - counts) * np.sqrt(np.maximum(_deviance(expected, counts), 0.0))
        near = np.abs(root) < 1e-4
        weight = np.where(near, 1 / np.sqrt(expected), (1 - counts / expected) / np.where(near, 1.0, root))
        return weight[:, None] * values.size * slope

    low = np.array([-np.inf, 0.5 * start.gain, 1e-3 * start.gain, 0.0, 1e-6, -0.3])
    high = np.array([np.inf, 1.6 * start.gain, start.gain, 0.3 * start.gain**2, 200.0, 0.99])
    x0 = np.clip(start, low + 1e-9, high - 1e-9)
    scale = np.array([start.gain, start.gain, start.gain, start.gain**2, 1.0, 1.0])
    try:
        solution = least_squares(
            residuals, x0, jacobian, (low, high), x_scale=scale, max_nfev=60, ftol=1e-7, xtol=1e-7, gtol=1e-7
        )
    except (ValueError, FloatingPointError, np.linalg.LinAlgError):
        return None
    if not np.isfinite(solution.x).all():
        return None
    parameters = Parameters(*solution.x.tolist())
    probability, slope = fractions(parameters, binned.edges, largest)
    expected = np.maximum(values.size * probability, 1e-9)
    information = (slope * (values.size**2 / expected)[:, None]).T @ slope
    try:
        covariance = np.linalg.inv(information)
    except np.linalg.LinAlgError:
        return None
    if not (np.isfinite(covariance).all() and (np.diag(covariance) > 0).all()):
        return None
    chi2, bins = goodness(expected, counts)
    ndf = bins - 1 - len(NAMES)
    poor = ndf > 0 and chi2 > ndf + POOR_SIGMAS * np.sqrt(2 * ndf)
    factor = float(np.sqrt(chi2 / ndf)) if poor else 1.0
    quality = {"chi2": chi2, "ndf": float(ndf), "events": float(values.size), "scale": factor}
    quality |= _quick(values, parameters)
    if charges.overflow:
        quality["saturated"] = float(charges.overflow)
    return SpectrumFit(
        parameters, covariance * factor**2, charges.polarity, chi2, ndf, factor, largest, values.size, binned, quality
    )


def _quick(values: Floats, parameters: Parameters) -> dict[str, float]:
    """Cross-check without a fit of the law: light and crosstalk from the events below half a pixel and the mean."""
    pixels = (values - parameters.pedestal) / parameters.gain
    zeros = float((pixels < 0.5).mean())
    mean = float(pixels.mean())
    if not 0 < zeros < 1 or mean <= 0:
        return {}
    mu, lam = from_zeros(zeros, mean)
    return {"mu_quick": mu, "lambda_quick": lam}


def _deviance(expected: Floats, counts: Floats) -> Floats:
    """Poisson likelihood-ratio chi2 of each bin (Baker, Cousins, NIM 221 (1984) 437)."""
    filled = np.where(counts > 0, counts, 1.0)
    return 2 * (expected - counts + np.where(counts > 0, counts * np.log(filled / expected), 0.0))


def goodness(expected: Floats, counts: Floats) -> tuple[float, int]:
    """Likelihood-ratio chi2 and number of bins after merging neighbours until each expects five events."""
    group = np.floor(np.cumsum(expected) / 5.0).astype(int)
    starts = np.flatnonzero(np.diff(group, prepend=-1))
    merged = np.add.reduceat(expected, starts)
    found = np.add.reduceat(counts, starts)
    return float(_deviance(merged, found).sum()), len(starts)
