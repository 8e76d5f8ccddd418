"""Breakdown voltage from an IV curve, by four methods that do not agree to better than some tenths of a volt.

Above the breakdown ``I = leakage + A (V - Vbr)^n`` with n = 1.5 … 3 (Nagai et al., NIM A 948 (2019) 162796; Otte et al.,
NIM A 846 (2017) 106). Which method a value comes from is therefore part of the value.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from analysis.fit.iv_curve import prepare
from analysis.fit.law_average import average_laws
from analysis.fit.onset import SIGNIFICANT, Onset, find_onset
from analysis.fit.zero_fit import straight_fit
from analysis.outcome import NoResult

Floats = NDArray[np.float64]

SQRT_RANGE_V = 1.0
"""Above the onset: the law is the square only near the breakdown."""
FEWEST_POINTS = 5
FINE_V = 0.3
"""Half window of smoothing at steps of 0.1 V; a wider one moves the maximum of a derivative by ``SMEARED`` of the excess."""
SMEARED = 0.4
STRAIGHT, BENT = "straight", "bent"
"""Values of ``quality["branch"]`` of ``ild``: the law with the largest weight."""
_DRAWN = 30


class Method(StrEnum):
    """How the breakdown voltage is found."""

    ILD = "ild"
    """Zero of 1 / (d ln I/dV), which is the line (V - Vbr) / n or a bent one; the default."""
    LOG_DERIVATIVE = "log-derivative"
    """Maximum of d ln I/dV: 0.1 to 0.4 V high."""
    SQRT = "sqrt"
    """Zero of the line through sqrt(I - leakage): exact for n = 2."""
    TANGENT = "tangent"
    """Where the steepest tangent of ln I meets the leakage."""


@dataclass(frozen=True, slots=True)
class Line:
    """A straight line that a method drew, for a plot."""

    x: Floats
    y: Floats


@dataclass(frozen=True, slots=True)
class Breakdown:
    """A breakdown voltage and how it was found."""

    method: Method
    vbr_V: float
    uncertainty_V: float
    quality: Mapping[str, float | str]
    x: Floats
    """Voltages of the points that were fitted."""
    y: Floats
    """What was fitted: 1/slope, slope, sqrt(A) or ln I."""
    line: Line


def find_breakdown(array: NDArray[np.generic], method: Method) -> Breakdown:
    """Breakdown voltage of a sweep by one method.

    Args:
        array: shape (N, 2), volt and ampere, any order and polarity.
        method: how.

    Returns:
        The magnitude of the reverse voltage, with one standard deviation.

    Raises:
        NoResult: there is no breakdown in the range, or the method cannot see it.
    """
    return breakdown_at(find_onset(prepare(array)), method)


def breakdown_at(onset: Onset, method: Method) -> Breakdown:
    """Breakdown voltage by one method, the onset being known.

    Raises:
        NoResult: the method does not apply to this curve.
    """
    found = _METHODS[method](onset)
    voltage = onset.curve.voltage
    if not np.isfinite([found.vbr_V, found.uncertainty_V]).all():
        raise NoResult(f"{method}: the fit does not converge")
    if not voltage[0] <= found.vbr_V <= voltage[-1]:
        raise NoResult(f"{method}: the line meets zero at {found.vbr_V:.4g} V, outside the curve")
    return found


def _ild(onset: Onset) -> Breakdown:
    voltage = onset.curve.voltage
    average = average_laws(onset)
    used, law = average.used, average.law
    quality: dict[str, float | str] = {
        "branch": BENT if law.bends else STRAIGHT,
        "bent_weight": average.bent,
        "exponent": float(law.coefficients[1]),
        "chi2": law.chi2,
        "ndf": float(law.ndf),
        "scale": average.scale,
        "statistical": average.statistical,
        "systematic": average.systematic,
    }
    x = voltage[used]
    with np.errstate(divide="ignore"):
        y = np.where(onset.slope[used] > 0, 1 / onset.slope[used], np.nan)
    drawn = np.linspace(law.zero, x[-1], _DRAWN)
    return Breakdown(Method.ILD, average.zero, average.uncertainty, quality, x, y, Line(drawn, law.inverse_slope(drawn)))


def _log_derivative(onset: Onset) -> Breakdown:
    voltage, peak = onset.curve.voltage, onset.index
    near = _near(onset, peak)
    vbr, sigma, fitted = _vertex(onset, near)
    # which of the two steepest points is the steepest is chance, and the maximum is no parabola
    other = _vertex(onset, _near(onset, _second(onset)))[0]
    sigma = float(np.linalg.norm([sigma, (vbr - other) / 2, _smearing(onset)]))
    quality = {"points": float(near.sum()), "steepest_per_V": float(onset.slope[peak])}
    line = Line(voltage[near], fitted)
    return Breakdown(Method.LOG_DERIVATIVE, vbr, sigma, quality, voltage[near], onset.slope[near], line)


def _smearing(onset: Onset) -> float:
    """What coarse steps make of a maximum of the derivative, V."""
    return SMEARED * max(onset.half - FINE_V * (1 + 1e-9), 0.0)


def _near(onset: Onset, index: int) -> NDArray[np.bool_]:
    """Points within a window of one, at least its neighbours."""
    voltage = onset.curve.voltage
    near = np.abs(voltage - voltage[index]) <= onset.half * (1 + 1e-9)
    near[index - 1 : index + 2] = True
    return near


def _second(onset: Onset) -> int:
    """Index of the steeper neighbour of the steepest point."""
    peak = onset.index
    return peak + 1 if onset.slope[peak + 1] > onset.slope[peak - 1] else peak - 1


def _vertex(onset: Onset, near: NDArray[np.bool_]) -> tuple[float, float, Floats]:
    """Place of the maximum of the derivative by a parabola through some points, its uncertainty, and the parabola there."""
    at = onset.voltage
    x = onset.curve.voltage[near] - at
    operator = onset.smooth.slope[near]
    design = np.stack([np.ones_like(x), x, x * x], axis=1)
    solve = np.linalg.pinv(design)
    coefficients = solve @ onset.slope[near]
    _, b, c = coefficients
    if c >= 0:
        raise NoResult("log-derivative: the derivative has no clear maximum")
    place = -b / (2 * c)
    if not x[0] <= place <= x[-1]:
        raise NoResult("log-derivative: the maximum of the derivative is not where its parabola says")
    by_points = (-solve[1] / (2 * c) + solve[2] * b / (2 * c * c)) @ operator
    return float(at + place), float(np.sqrt((by_points**2) @ onset.log_sigma**2)), design @ coefficients


def _sqrt(onset: Onset) -> Breakdown:
    net = onset.curve.current - onset.leakage
    used = _above(onset) & (net > SIGNIFICANT * onset.sigma)
    if used.sum() < FEWEST_POINTS:
        message = f"sqrt: only {int(used.sum())} points clear of the leakage within {SQRT_RANGE_V:g} V: {FEWEST_POINTS} needed"
        raise NoResult(message)
    x, y = onset.curve.voltage[used], np.sqrt(net[used])
    by_leakage = -onset.leakage_design[used] / (2 * y[:, None])
    covariance = np.diag((onset.sigma[used] / (2 * y)) ** 2) + by_leakage @ onset.leakage_covariance @ by_leakage.T
    fit = straight_fit(x, y, covariance)
    if fit.slope <= SIGNIFICANT * fit.slope_sigma:
        raise NoResult("sqrt: the root of the current is no rising line")
    return Breakdown(Method.SQRT, fit.zero, fit.zero_sigma, fit.quality(), x, y, Line(*fit.drawn(x)))


def _tangent(onset: Onset) -> Breakdown:
    voltage, peak, below = onset.curve.voltage, onset.index, onset.below
    vbr, sigma = _crossing(onset, peak)
    # which of the two steepest points is the steepest is chance
    other = _crossing(onset, _second(onset))[0]
    sigma = float(np.linalg.norm([sigma, (vbr - other) / 2, _smearing(onset)]))
    ends = np.array([vbr, voltage[peak] + onset.half])
    value, slope = onset.smooth.value[peak], onset.smooth.slope[peak]
    drawn = (value + slope * (ends - voltage[peak])[:, None]) @ onset.log_current
    near = _near(onset, peak)
    quality = {"points": float(near.sum() + below.sum())}
    return Breakdown(Method.TANGENT, vbr, sigma, quality, voltage[near], onset.log_current[near], Line(ends, drawn))


def _crossing(onset: Onset, at: int) -> tuple[float, float]:
    """Where the tangent of ln I at a point meets the line through ln I of the leakage, and its uncertainty."""
    voltage, below = onset.curve.voltage, onset.below
    x = voltage[below] - voltage[at]
    columns = [np.ones_like(x)] if below.sum() < 5 else [np.ones_like(x), x]
    solve = np.zeros((2, len(voltage)))
    solve[: len(columns), below] = np.linalg.pinv(np.stack(columns, axis=1))
    height, rise = onset.smooth.value[at] - solve[0], onset.smooth.slope[at] - solve[1]
    up, steep = float(height @ onset.log_current), float(rise @ onset.log_current)
    if steep <= 0:
        raise NoResult("tangent: the leakage rises as steeply as the current above it")
    by_points = -height / steep + rise * up / steep**2
    return float(voltage[at]) - up / steep, float(np.sqrt((by_points**2) @ onset.log_sigma**2))


_METHODS: Mapping[Method, Callable[[Onset], Breakdown]] = {
    Method.ILD: _ild,
    Method.LOG_DERIVATIVE: _log_derivative,
    Method.SQRT: _sqrt,
    Method.TANGENT: _tangent,
}


def _above(onset: Onset) -> NDArray[np.bool_]:
    """Points above the onset, up to the range of the square law; coarse curves get as many points as a line needs."""
    index = np.arange(len(onset.curve.voltage))
    first = onset.index + 1
    last = max(int(np.searchsorted(onset.curve.voltage, onset.curve.voltage[first] + SQRT_RANGE_V)), first + FEWEST_POINTS + 1)
    return (index >= first) & (index < last) & onset.smooth.valid
