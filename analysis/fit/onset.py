"""Where a current begins to rise as at a breakdown; the one gate before every method: what has no breakdown has no number."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

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
BELOW_V, USUAL_BELOW = 3.0, 8
"""How far below the onset the leakage is fitted, and the points that this takes at least if there are so many: what a diode
carries far below its breakdown says little of what it carries there."""
LEAST_RISE = 2.0
"""Current at the end over that before the onset."""
LEAST_CLIMB = 0.2
"""ln of the current at the end over that just above the onset; a mere step does not climb."""
LAW_RANGE_V = 1.0
"""Above the onset the current must not fall within this range, whatever its noise."""
CLIMB_V = 0.75
"""Between so much above the onset and twice as much the current must climb too: a step ends, a breakdown does not."""
EDGE_SLOPE = 0.6
"""Slope at either end over the largest; where it is more, the largest slope is outside the range."""
ALIKE = 0.8
"""Slope above over the largest; more is an exponential. A breakdown in much leakage has its largest slope late and wide."""


@dataclass(frozen=True, slots=True)
class Onset:
    """The steepest place of ln I with what all methods need; arrays have the shape of the curve."""

    curve: IVCurve
    smooth: Smoother
    index: int
    """Of the largest slope."""
    floor_sigma: float
    """Noise s of the current where there is next to none, A."""
    log_current: Floats
    """asinh(I / 2s) with s the noise of the floor: ln(I / s) above the noise, harmless within it and below zero."""
    log_sigma: Floats
    slope: Floats
    """d ln I / dV, 1/V."""
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

    @property
    def half(self) -> float:
        """Half the window of smoothing there, V."""
        return float(self.smooth.half[self.index])


def find_onset(curve: IVCurve) -> Onset:
    """Find the breakdown in a curve.

    Raises:
        NoResult: the range holds none, or too little of it on either side.
    """
    voltage, current = curve.voltage, curve.current
    where = f"between {voltage[0]:g} and {voltage[-1]:g} V"
    smooth = smoother(voltage)
    if np.ptp(current) == 0:
        raise NoResult(f"no breakdown {where}: every current is {current[0]:g} A")
    rough = _view(curve, smooth, _floor_noise(current), np.ones(len(voltage), dtype=bool))
    index = _steepest(curve, smooth, rough)
    below, above = _sides(voltage, smooth, index)
    if below.sum() >= FEWEST_ABOVE:
        # now that the sides are known, the noise of either can be taken without the rise between them
        view = _view(curve, smooth, _scatter(voltage[below], current[below]), above)
        index = _steepest(curve, smooth, view)
        below, above = _sides(voltage, smooth, index)
    else:
        view = rough
    _check_rise(curve, smooth, index, below, above, view)
    if below.sum() < FEWEST_BELOW:
        below = np.arange(len(voltage)) < FEWEST_BELOW
    design = np.stack([np.ones_like(voltage), voltage - voltage[index]], axis=1)
    leakage, covariance = _leakage(design, current, view.sigma, below)
    # a step of the meter that hides the noise is one and the same error of all points
    covariance[0, 0] += _quantum(current) ** 2 / 4
    return Onset(
        curve,
        smooth,
        index,
        view.floor_sigma,
        view.log_current,
        view.log_sigma,
        view.slope,
        view.sigma,
        leakage,
        design,
        covariance,
        below,
    )


class _View(NamedTuple):
    """A curve in the logarithm, its noise being known; shapes (N,)."""

    floor_sigma: float
    sigma: Floats
    log_current: Floats
    log_sigma: Floats
    slope: Floats
    slope_sigma: Floats


def _view(curve: IVCurve, smooth: Smoother, floor_sigma: float, above: NDArray[np.bool_]) -> _View:
    current = curve.current
    soft = max(floor_sigma, _quantum(current) / 12**0.5, 1e-9 * float(np.abs(current).max()))
    log_current = np.arcsinh(current / (2 * soft))
    relative = _relative_noise(log_current, smooth, above & (current > 20 * soft))
    sigma = np.sqrt(soft**2 + (relative * current) ** 2)
    log_sigma = sigma / np.sqrt(current**2 + 4 * soft**2)
    return _View(soft, sigma, log_current, log_sigma, smooth.slope @ log_current, np.sqrt((smooth.slope**2) @ log_sigma**2))


def _quantum(current: Floats) -> float:
    """Smallest step between currents, A: that of the meter, if it has a coarse one."""
    return float(np.diff(np.unique(current)).min())


def _sides(voltage: Floats, smooth: Smoother, index: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Points that are clearly below and above the steepest one; below, those near enough to tell what is under the rise."""
    half = smooth.half[index]
    end = int(np.searchsorted(voltage, voltage[index] - half - 1e-9))
    start = min(int(np.searchsorted(voltage, voltage[index] - half - BELOW_V - 1e-9)), max(end - USUAL_BELOW, 0))
    below = np.zeros(len(voltage), dtype=bool)
    below[start:end] = True
    return below, voltage > voltage[index] + half + 1e-9


def _steepest(curve: IVCurve, smooth: Smoother, view: _View) -> int:
    """Index of the largest slope, which must be a maximum inside the range.

    Raises:
        NoResult: it is not, or no slope is beyond noise.
    """
    voltage, slope = curve.voltage, view.slope
    where = f"between {voltage[0]:g} and {voltage[-1]:g} V"
    candidates = np.where(smooth.valid & (slope > SIGNIFICANT * view.slope_sigma), slope, -np.inf)
    index = int(np.argmax(candidates))
    if not np.isfinite(candidates[index]):
        raise NoResult(f"no breakdown {where}: the current does not rise beyond its noise")
    certain = slope - 2 * view.slope_sigma
    if index < FEWEST_BELOW or certain[:2].max() > EDGE_SLOPE * slope[index]:
        raise NoResult(f"no breakdown {where}: the current rises most at the first voltages, a breakdown is not above them")
    if len(voltage) - index <= FEWEST_ABOVE or certain[-2:].max() > EDGE_SLOPE * slope[index]:
        raise NoResult(f"no breakdown {where}: the current rises most at the last voltages{_limit(curve)}")
    return index


def _check_rise(
    curve: IVCurve,
    smooth: Smoother,
    index: int,
    below: NDArray[np.bool_],
    above: NDArray[np.bool_],
    view: _View,
) -> None:
    """Refuse what is steep but no breakdown.

    Raises:
        NoResult: too few points above, too small a rise, a mere step, a hump, or a gap beside it.
    """
    voltage, current, steepest, half = curve.voltage, curve.current, float(curve.voltage[index]), smooth.half[index]
    where = f"between {voltage[0]:g} and {voltage[-1]:g} V"
    if above.sum() < FEWEST_ABOVE:
        raise NoResult(f"only {int(above.sum())} points above {steepest:g} V{_limit(curve)}: {FEWEST_ABOVE} are needed")
    last = float(np.median(current[-3:]))
    before = float(np.median(current[below])) if below.any() else float(current[0])
    if last < LEAST_RISE * before or last - before < 2 * SIGNIFICANT * view.floor_sigma:
        raise NoResult(f"no breakdown {where}: the current rises from {before:.3g} to {last:.3g} A only")
    just_above = float(current[above][0])
    if just_above <= 0 or np.log(last / just_above) < LEAST_CLIMB:
        raise NoResult(f"no breakdown {where}: the current steps up at {steepest:g} V and does not go on rising")
    farther = [steepest + times * max(CLIMB_V, 1.5 * half) for times in (1, 2)]
    if voltage[-1] >= farther[1] and np.diff(np.interp(farther, voltage, smooth.value @ view.log_current))[0] < LEAST_CLIMB:
        raise NoResult(f"no breakdown {where}: the current steps up at {steepest:g} V and does not go on rising")
    peak = view.slope[index]
    if any(side.any() and np.median(view.slope[side]) > most * peak for side, most in ((below, EDGE_SLOPE), (above, ALIKE))):
        raise NoResult(f"no breakdown {where}: the current rises as steeply elsewhere as at {steepest:g} V")
    falling = above & (voltage < steepest + half + LAW_RANGE_V) & (view.slope <= 0)
    if falling.any():
        raise NoResult(f"no breakdown {where}: above {steepest:g} V the current falls again, at {voltage[falling][0]:g} V")
    near = np.abs(voltage - steepest) < 2 * half
    beside = near[1:] | near[:-1]
    if not smooth.valid[near].all() or np.diff(voltage)[beside].max() > 2 * half:
        raise NoResult(f"gap in the curve beside {steepest:g} V, where the current rises most")


def _limit(curve: IVCurve) -> str:
    return "" if curve.limit is None else f" before the meter limits it to {curve.limit:.3g} A"


def _scatter(voltage: Floats, current: Floats) -> float:
    """Standard deviation of the current about a straight line."""
    design = np.stack([np.ones_like(voltage), voltage - voltage[0]], axis=1)
    residual = current - design @ (np.linalg.pinv(design) @ current)
    return float(np.sqrt((residual**2).sum() / (len(voltage) - 2)))


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
    each = np.abs(residual[used]) / np.sqrt(np.maximum(left[used], 1e-3))
    tame = each <= 6 * 1.4826 * np.median(each)
    return float(np.sqrt((each[tame] ** 2).mean()))


def _leakage(design: Floats, current: Floats, sigma: Floats, below: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """Line through the points below, and its covariance; a constant where the points are too few for a slope."""
    if below.sum() < 5:
        design[:, 1] = 0.0
    weights = 1 / sigma[below]
    solve = np.linalg.pinv(design[below] * weights[:, None])
    return design @ (solve @ (current[below] * weights)), solve @ solve.T
