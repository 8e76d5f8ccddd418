"""A breakdown voltage from all laws that describe a curve: which law holds how far above the breakdown, nobody knows.

In each range of voltages the laws are weighted by their Akaike weights, the ranges by how well they are described and how
precise they are. Where the laws disagree, and where the rise begins elsewhere than they say, the uncertainty says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaincc

from analysis.fit.onset import SIGNIFICANT, Onset
from analysis.fit.rise_law import MAX_BENDS, RiseLaw, fit_law
from analysis.outcome import NoResult

Floats = NDArray[np.float64]

STARTS_V = (0.0, 0.15, 0.3)
"""Above the steepest point: nearer to the breakdown a zero is more certain, unless the pixels do not all break down at once."""
ENDS_V = (2.3, 1.7, 1.3)
"""Above the steepest point: higher up quenching resistors and afterpulses bend the curve."""
FEWEST_POINTS = 6
COST = 2.0
"""Of each parameter, in units of chi2 (Akaike, IEEE Trans. Autom. Control 19 (1974) 716)."""
GOOD = 0.1
"""Probability of chi2 from which a range counts as described; a better one is chance."""
PRECISION = 2.0
"""Power of the inverse variance in the weight of a range."""
WORST_SCALE = 4.0
"""sqrt(chi2 / ndf) of the law that fits best, above which none describes the curve."""
MAX_UNCERTAINTY_V = 1.0
"""A scan in steps of 0.1 V of a current of a few steps of the meter near the breakdown gives up to 0.9 V, and is right."""
SHIFT_V, SHIFT_STEP_V = 0.5, 0.01
"""How far the beginning of the rise is looked for from where the laws say."""
LEAST_LOG_SIGMA = 0.003
"""Of ln of the current, for that."""


@dataclass(frozen=True, slots=True)
class LawAverage:
    """A breakdown voltage and what its uncertainty consists of."""

    zero: float
    statistical: float
    """Of the measurement, V."""
    spread: float
    """Among laws and ranges, V."""
    turn_on: float
    """Because the rise begins elsewhere than the laws say, V."""
    bent: float
    """Weight of laws whose inverse log derivative is no straight line, 0 … 1."""
    scale: float
    """1, or sqrt(chi2 / ndf) of the best law where all are worse than the noise allows."""
    law: RiseLaw
    """The one with the largest weight."""
    used: NDArray[np.bool_]
    """Points of the curve that it was fitted to."""

    @property
    def systematic(self) -> float:
        """Everything but the measurement, V."""
        return float(np.hypot(self.spread, self.turn_on))

    @property
    def uncertainty(self) -> float:
        """One standard deviation of the zero, V."""
        return float(np.hypot(self.statistical, self.systematic))


@dataclass(frozen=True, slots=True)
class _Range:
    """The laws that were fitted to one range of voltages."""

    used: NDArray[np.bool_]
    laws: Sequence[RiseLaw]


def average_laws(onset: Onset) -> LawAverage:
    """The breakdown voltage by the law of the current above it.

    Raises:
        NoResult: too few points are clear of the leakage, no law describes them, or the laws disagree too much.
    """
    ranges = _fit_ranges(onset)
    laws = [law for one in ranges for law in one.laws]
    if not laws:
        raise NoResult("ild: the current follows no law that begins at a breakdown")
    scale2 = max(1.0, min(law.chi2 / law.ndf for law in laws))
    if scale2 > WORST_SCALE**2:
        raise NoResult(f"ild: no law of a breakdown describes the current (chi2/ndf {scale2:.3g})")
    weights, zeros, variances = [], [], []
    for one in ranges:
        cost = np.array([(law.chi2 + law.penalty) / scale2 + COST * law.bends for law in one.laws])
        akaike = np.exp(-(cost - cost.min()) / 2)
        akaike /= akaike.sum()
        zero = np.array([law.zero for law in one.laws])
        variance = np.array([law.variance for law in one.laws]) * scale2
        within = float(akaike @ variance + akaike @ (zero - akaike @ zero) ** 2)
        best = one.laws[int(np.argmax(akaike))]
        described = float(gammaincc(best.ndf / 2, best.chi2 / scale2 / 2))
        weights.append(akaike * max(min(described, GOOD), 1e-12) / within**PRECISION)
        zeros.append(zero)
        variances.append(np.full(len(zero), within))
    weight = np.concatenate(weights)
    weight /= weight.sum()
    of_range = np.concatenate([np.full(len(z), (w @ z) / w.sum()) for w, z in zip(weights, zeros, strict=True)])
    mean = float(weight @ of_range)
    best = int(np.argmax(weight))
    statistical, spread = np.sqrt(1 / (weight @ (1 / np.concatenate(variances)))), np.sqrt(weight @ (of_range - mean) ** 2)
    shift, shift_sigma = _shift(onset, laws[best], mean)
    average = LawAverage(
        zero=mean,
        statistical=float(statistical),
        spread=float(spread),
        turn_on=float(np.sqrt(max(shift**2 - shift_sigma**2, 0.0))),
        bent=float(weight @ [law.bends > 0 for law in laws]),
        scale=float(np.sqrt(scale2)),
        law=laws[best],
        used=next(one.used for one in ranges if any(law is laws[best] for law in one.laws)),
    )
    if average.uncertainty > MAX_UNCERTAINTY_V:
        raise NoResult(
            f"ild: laws that describe the current equally well begin at different voltages, {mean:.4g} ± "
            f"{average.uncertainty:.2g} V: more points closer to the breakdown or less leakage are needed"
        )
    return average


def _fit_ranges(onset: Onset) -> list[_Range]:
    """Every law in every range.

    Raises:
        NoResult: no range has enough points above the leakage.
    """
    voltage, start = onset.curve.voltage, onset.voltage
    net = onset.curve.current - onset.leakage
    clear = net > SIGNIFICANT * onset.sigma
    # coarse curves get as many points as a law needs
    least = float(voltage[min(onset.index + FEWEST_POINTS + 1, len(voltage) - 1)]) - start
    ranges: list[_Range] = []
    most = 0
    for first, last in product(STARTS_V, ENDS_V):
        used = clear & (voltage >= start + first - 1e-9) & (voltage <= start + max(last, first + least) + 1e-9)
        most = max(most, int(used.sum()))
        if used.sum() < FEWEST_POINTS or any((used == one.used).all() for one in ranges):
            continue
        by_leakage = -onset.leakage_design[used] / net[used, None]
        covariance = np.diag((onset.sigma[used] / net[used]) ** 2) + by_leakage @ onset.leakage_covariance @ by_leakage.T
        whiten = np.linalg.inv(np.linalg.cholesky(covariance))
        bends = range(min(MAX_BENDS, int(used.sum()) - FEWEST_POINTS + 2) + 1)
        fits = (fit_law(voltage[used], np.log(net[used]), whiten, bend) for bend in bends)
        if laws := [law for law in fits if law is not None]:
            ranges.append(_Range(used, laws))
    if most < FEWEST_POINTS:
        message = f"ild: only {most} points clear of the leakage within {ENDS_V[0]:g} V: {FEWEST_POINTS} needed"
        raise NoResult(message)
    return ranges


def _shift(onset: Onset, law: RiseLaw, zero: float) -> tuple[float, float]:
    """How far the rise itself begins from where the law begins that holds above it, and the uncertainty of that, V.

    The points between the zero and those that the law was fitted to say so: the law is moved along until it passes them.
    """
    voltage, start = onset.curve.voltage, onset.voltage
    net = onset.curve.current - onset.leakage
    above = (voltage >= start - 1e-9) & (voltage <= start + ENDS_V[-1]) & (net > 0)
    turning = (voltage > zero - STARTS_V[-1]) & (voltage <= start + 1e-9)
    if turning.sum() < 2:
        return 0.0, 0.0
    shifts = np.arange(-SHIFT_V, SHIFT_V + SHIFT_STEP_V / 2, SHIFT_STEP_V)
    shifts = shifts[zero + shifts < start]
    sigma = np.maximum(onset.log_sigma[turning], LEAST_LOG_SIGMA)
    misfits = np.empty(len(shifts))
    for index, shift in enumerate(shifts):
        shape = law.log_current(voltage, zero + shift)
        level = np.median(np.log(net[above]) - shape[above])
        expected = np.arcsinh((onset.leakage + np.exp(shape + level)) / (2 * onset.floor_sigma))
        misfits[index] = float((((onset.log_current - expected)[turning] / sigma) ** 2).sum())
    best = int(np.argmin(misfits))
    alike = shifts[misfits < misfits[best] + max(1.0, misfits[best] / max(int(turning.sum()) - 1, 1))]
    return float(shifts[best]), float(max((alike[-1] - alike[0]) / 2, SHIFT_STEP_V / 2))
