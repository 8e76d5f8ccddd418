"""Where a current begins to rise as at a breakdown; the one gate before every method: what has no breakdown has no number."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.fit.iv_curve import IVCurve
from analysis.fit.local_slope import Smoother, smoother
from analysis.outcome import NoResult

Floats = NDArray[np.float64]

SIGNIFICANT = 5.0
"""Standard deviations."""
FEWEST_BELOW = 3
FEWEST_ABOVE = 5
LEAST_RISE = 2.0
"""Current at the end over that before the onset."""
LEAST_CLIMB = 0.2
"""ln of the current at the end over that just above the onset; a mere step does not climb."""
EDGE_SLOPE = 0.6
"""Slope at either end over the largest; where it is more, the largest slope is outside the range."""


@dataclass(frozen=True, slots=True)
class Onset:
    """The steepest place of ln I with what all methods need; arrays have the shape of the curve."""

    curve: IVCurve
    smooth: Smoother
    index: int
    """Of the largest slope."""
    log_current: Floats
    """asinh(I / 2s) with s the noise of the floor: ln(I / s) above the noise, harmless within it and below zero."""
    log_sigma: Floats
    slope: Floats
    """d ln I / dV, 1/V."""
    slope_sigma: Floats
    sigma: Floats
    """Standard deviation of the current, A."""
    leakage: Floats
    """Straight line through the points below, A."""
    leakage_design: Floats
    """Shape (N, 2)."""
    leakage_covariance: Floats
    """Shape (2, 2)."""
    below: NDArray[np.bool_]
    """Points that the leakage is fitted to."""

    @property
    def voltage(self) -> float:
        """Voltage of the largest slope."""
        return float(self.curve.voltage[self.index])


def find_onset(curve: IVCurve) -> Onset:
    """Find the breakdown in a curve.

    Raises:
        NoResult: the range holds none, or too little of it on either side.
    """
    voltage, current = curve.voltage, curve.current
    where = f"between {voltage[0]:g} and {voltage[-1]:g} V"
    smooth = smoother(voltage, curve.step)
    floor_sigma = _floor_noise(current)
    if floor_sigma == 0 and np.ptp(current) == 0:
        raise NoResult(f"no breakdown {where}: every current is {current[0]:g} A")
    soft = max(floor_sigma, 1e-9 * float(np.abs(current).max()))
    scale = np.sqrt(current**2 + 4 * soft**2)
    log_current = np.arcsinh(current / (2 * soft))
    relative = _relative_noise(log_current, smooth, current > 20 * soft)
    sigma = np.sqrt(soft**2 + (relative * current) ** 2)
    log_sigma = sigma / scale
    slope = smooth.slope @ log_current
    slope_sigma = np.sqrt((smooth.slope**2) @ log_sigma**2)

    candidates = np.where(smooth.valid & (slope > SIGNIFICANT * slope_sigma), slope, -np.inf)
    index = int(np.argmax(candidates))
    if not np.isfinite(candidates[index]):
        raise NoResult(f"no breakdown {where}: the current does not rise beyond its noise")
    steepest = voltage[index]
    below = voltage < steepest - smooth.half
    above = voltage > steepest + smooth.half
    if index < FEWEST_BELOW or slope[:2].max() > EDGE_SLOPE * slope[index]:
        raise NoResult(f"no breakdown {where}: the current rises most at the first voltages, the breakdown is below them")
    if len(voltage) - index <= FEWEST_ABOVE or slope[-2:].max() > EDGE_SLOPE * slope[index]:
        cut = f" where the meter limits it to {curve.limit:.3g} A" if curve.limit is not None else ""
        raise NoResult(f"no breakdown {where}: the current rises most at the last voltages{cut}, the breakdown is above them")
    if below.sum() < FEWEST_BELOW:
        below = np.arange(len(voltage)) < FEWEST_BELOW
    if above.sum() < FEWEST_ABOVE:
        cut = f" below the limit of the meter, {curve.limit:.3g} A" if curve.limit is not None else ""
        raise NoResult(f"only {int(above.sum())} points above {steepest:g} V{cut}: {FEWEST_ABOVE} are needed")
    last = float(np.median(current[-3:]))
    before = float(np.median(current[below]))
    if last < LEAST_RISE * before or last - before < 2 * SIGNIFICANT * soft:
        raise NoResult(f"no breakdown {where}: the current rises from {before:.3g} to {last:.3g} A only")
    just_above = float(current[above][0])
    if just_above <= 0 or np.log(last / just_above) < LEAST_CLIMB:
        raise NoResult(f"no breakdown {where}: the current steps up at {steepest:g} V and does not go on rising")
    if not smooth.valid[(voltage > steepest - 2 * smooth.half) & (voltage < steepest + 2 * smooth.half)].all():
        raise NoResult(f"gap in the curve beside {steepest:g} V, where the current rises most")
    design = np.stack([np.ones_like(voltage), voltage - voltage[0]], axis=1)
    leakage, covariance = _leakage(design, current, sigma, below)
    return Onset(curve, smooth, index, log_current, log_sigma, slope, slope_sigma, sigma, leakage, design, covariance, below)


def _floor_noise(current: Floats) -> float:
    """Standard deviation of the current in the lowest third, by second differences; robust against the rise itself."""
    lowest = current[: max(7, len(current) // 3)]
    second = np.diff(lowest, 2)
    return 1.4826 * float(np.median(np.abs(second))) / float(np.sqrt(6))


def _relative_noise(log_current: Floats, smooth: Smoother, strong: NDArray[np.bool_]) -> float:
    """Relative noise of the current where it is well above the floor, by what smoothing takes away."""
    residual = log_current - smooth.value @ log_current
    left = 1 - 2 * np.diag(smooth.value) + (smooth.value**2).sum(axis=1)
    used = strong & smooth.valid
    if used.sum() < FEWEST_ABOVE:
        return 0.0
    return 1.4826 * float(np.median(np.abs(residual[used]) / np.sqrt(np.maximum(left[used], 1e-3))))


def _leakage(design: Floats, current: Floats, sigma: Floats, below: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """Line through the points below, and its covariance; a constant where the points are too few for a slope."""
    if below.sum() < 5:
        design[:, 1] = 0.0
    weights = 1 / sigma[below]
    solve = np.linalg.pinv(design[below] * weights[:, None])
    return design @ (solve @ (current[below] * weights)), solve @ solve.T
