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


@dataclass(frozen=True, slots=True)
class Charges:
    """Charges turned so that pulses are positive."""

    values: Floats
    """Sorted, shape (N,); ``polarity * ADC``."""
    polarity: int
    """+1, or -1 for negative pulses."""
    code: float
    """Distance between codes of the ADC; 0 if the charges are as good as continuous."""
    overflow: int
    """Events at the last code, which is saturated; 0 if it is not."""


@dataclass(frozen=True, slots=True)
class Histogram:
    """Counts between edges; the first bin reaches down, the last bin up without end."""

    edges: Floats
    """Shape (B + 1,)."""
    counts: Floats
    """Shape (B,)."""


def check_charges(array: NDArray[np.generic]) -> Charges:
    """Sort the charges, find their polarity and the step of the ADC.

    The polarity is the sign of the third central moment: noise is symmetric, a compound Poisson law is not.

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
    code = code_step(values)
    piles = [(end, pile_up(sign * values, code)) for end, sign in ((1, 1), (-1, -1))]
    clean = values[(values < values[-1]) & (values > values[0])] if any(pile for _, pile in piles) else values
    polarity = 1 if _skew(clean) >= 0 else -1
    overflow = dict(piles)[polarity]
    if overflow > MOST_SATURATED * values.size:
        raise NoResult(f"saturated: {overflow} of {values.size} events at the last code, {values[-1 if polarity > 0 else 0]:g}")
    return Charges(np.sort(polarity * values), polarity, code, overflow)


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
        start = values[0] - code / 2
    else:
        start = values[0] - width / 2
    stop = values[-1] - code / 2 if charges.overflow else values[-1] + width / 2
    bins = max(1, int(np.ceil((stop - start) / width - 1e-9)))
    edges = start + width * np.arange(bins + 1)
    if charges.overflow:
        edges[-1] = stop
        edges = np.append(edges, values[-1] + max(code, width))
    # a value on the last edge would fall out of the half-open bins that rounding makes
    edges[-1] += width * 1e-6
    counts, _ = np.histogram(values, edges)
    return Histogram(edges, counts.astype(float))


def _skew(values: Floats) -> float:
    around = values - values.mean()
    return float((around**3).mean())
