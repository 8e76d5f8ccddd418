"""The grey scale of the heat map: which values are light, which dark."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)


@dataclass(frozen=True, slots=True)
class Scale:
    """Values from ``low`` (light) to ``high`` (dark)."""

    low: float
    high: float

    def fraction(self, value: float) -> float:
        """Where a value lies, 0 to 1, values outside cut."""
        return min(max((value - self.low) / (self.high - self.low), 0.0), 1.0)


def fit_scale(values: NDArray[np.float64], smallest_span: float, previous: Scale | None = None) -> Scale | None:
    """A scale with round ends that holds nearly all values.

    The outermost 2 % are left out, so that one bad channel does not make all others look alike; ``previous`` is kept while
    the values fill at least 40 % of it and do not leave it, so that colours do not jump between two updates.

    Args:
        values: what is shown; NaN is left out.
        smallest_span: span below which differences are noise.
        previous: the scale in use.

    Returns:
        ``previous`` if there are no values.
    """
    finite = values[np.isfinite(values)]
    if finite.size == 0:
        return previous
    low, high = (float(end) for end in np.percentile(finite, (2, 98)))
    if high - low < smallest_span:
        middle = (low + high) / 2
        low, high = middle - smallest_span / 2, middle + smallest_span / 2
    if previous is not None and previous.low <= low and high <= previous.high and high - low >= 0.4 * _span(previous):
        return previous
    step = _round_step((high - low) / 4)
    return Scale(math.floor(low / step) * step, math.ceil(high / step) * step)


def _span(scale: Scale) -> float:
    return scale.high - scale.low


def _round_step(rough: float) -> float:
    """The smallest of 1, 2, 2.5, 5 times a power of ten that is not below ``rough``."""
    power = 10.0 ** math.floor(math.log10(rough))
    return next(step * power for step in _STEPS if step * power >= rough * (1 - 1e-9))
