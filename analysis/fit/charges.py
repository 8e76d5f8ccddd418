"""Charges of a finger spectrum, checked and binned."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.outcome import NoResult

Floats = NDArray[np.float64]

FEWEST_EVENTS = 100
MOST_SATURATED = 0.01
"""Fraction of events at the last code that an overflow bin can carry; with more the charges are lost, not the tail."""
PILE_UP = 5.0
"""Times the events just inside that the last code must hold to count as saturated."""
TAIL = 0.001
"""Fraction of events on either side whose distance from the others is judged."""


@dataclass(frozen=True, slots=True)
class Charges:
    """Charges turned so that pulses are positive."""

    values: Floats
    """Sorted, shape (N,); ``polarity * ADC``, strays moved to the end of the spectrum."""
    polarity: int
    """+1, or -1 for negative pulses."""
    code: float
    """Distance between codes of the ADC; 0 if the charges are as good as continuous."""
    overflow: int
    """Events at the last code, which is saturated; 0 if it is not."""
    strays: int
    """Events farther outside than the spectrum is wide."""


@dataclass(frozen=True, slots=True)
class Histogram:
    """Counts between edges; the first bin reaches down, the last bin up without end."""

    edges: Floats
    """Shape (B + 1,)."""
    counts: Floats
    """Shape (B,)."""


def check_charges(array: NDArray[np.generic], polarity: int | None = None) -> Charges:
    """Sort the charges, find the step of the ADC and turn them so that pulses are positive.

    Args:
        array: shape (N,), ADC counts.
        polarity: +1 or -1; if it is not known, the sign of the third central moment stands for it: noise is symmetric, a
            compound Poisson law is not. A cut spectrum may have the wrong sign, so that both have to be compared.

    Raises:
        NoResult: empty, few, not finite, all at one code, or saturated.
    """
    values = np.asarray(array, dtype=float)
    if values.ndim != 1:
        raise NoResult(f"charges of shape {values.shape}: one number per event is expected")
    if not values.size:
        raise NoResult("no events: the file or array is empty")
    wrong = ~np.isfinite(values)
    if wrong.any():
        first = int(np.argmax(wrong))
        raise NoResult(f"{int(wrong.sum())} of {values.size} charges are no finite numbers, first event {first + 1}")
    if values.size < FEWEST_EVENTS:
        raise NoResult(f"{values.size} events: at least {FEWEST_EVENTS} are needed")
    values = np.sort(values)
    if values[0] == values[-1]:
        raise NoResult(f"all {values.size} events at one code, {values[0]:g}")
    inside, strays = _without_strays(values)
    code = code_step(inside)
    piles = {sign: pile_up(sign * values, code) for sign in (1, -1)}
    for sign, pile in piles.items():
        if pile > MOST_SATURATED * values.size:
            end = values[-1 if sign > 0 else 0]
            raise NoResult(f"saturated: {pile} of {values.size} events at the last code, {end:g}")
    if polarity is None:
        polarity = 1 if _skew(inside) >= 0 else -1
    return Charges(np.sort(polarity * inside), polarity, code, piles[polarity], strays)


def pile_up(values: Floats, code: float) -> int:
    """Events at the largest value if far more than chance and than its neighbourhood explain, else 0."""
    top = values.max()
    pile = int((values == top).sum())
    reach = max(0.02 * float(top - np.median(values)), 4 * code)
    near = int(((values < top) & (values >= top - reach)).sum())
    return pile if pile >= 10 and pile > PILE_UP * near else 0


def code_step(ordered: Floats) -> float:
    """Distance between codes, if all charges lie on a grid coarse enough to be seen in a histogram, else 0."""
    steps = np.diff(np.unique(ordered))
    step = float(steps.min())
    span = float(ordered[-1] - ordered[0])
    if span / step > 20_000:
        return 0.0
    ratio = steps / step
    return step if np.abs(ratio - np.rint(ratio)).max() < 1e-3 else 0.0


def histogram(charges: Charges, width: float) -> Histogram:
    """Bins of about ``width``, a whole number of codes each so that none is favoured.

    A saturated last code is a bin of its own, with all above it.
    """
    values, code = charges.values, charges.code
    if code:
        width = code * max(1, round(width / code))
    # from the first value to the last and no farther: a spectrum that was cut has bins that are full up to its ends
    start = values[0] - code / 2
    stop = values[-1] + (-code / 2 if charges.overflow else code / 2)
    bins = max(1, int(np.ceil((stop - start) / width - 1e-9)))
    edges = start + (width if code else (stop - start) / bins) * np.arange(bins + 1)
    if charges.overflow:
        edges[-1] = stop
        edges = np.append(edges, values[-1] + max(code, width))
    # a value on the last edge would fall out of the half-open bins that rounding makes
    edges[-1] += width * 1e-6
    counts, _ = np.histogram(values, edges)
    return Histogram(edges, counts.astype(float))


def mirrored(binned: Histogram) -> Histogram:
    """The same bins of charges of the other polarity."""
    return Histogram(-binned.edges[::-1], binned.counts[::-1])


def _without_strays(values: Floats) -> tuple[Floats, int]:
    """Charges with those far outside moved to the last one that is not; sparks must not set the scale."""
    low, high = np.quantile(values, (TAIL, 1 - TAIL))
    width = high - low
    if width == 0:
        return values, 0
    near = (values >= low - width) & (values <= high + width)
    return np.clip(values, values[near][0], values[near][-1]), int((~near).sum())


def _skew(values: Floats) -> float:
    around = values - values.mean()
    return float((around**3).mean())
