"""Dark count rate from the number of pulses found in windows of one length."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.outcome import NoResult

DISPERSION_SIGMAS = 3.0
"""Variance over mean this far from 1 is no chance: the uncertainty then comes from the scatter."""
LARGEST_COUNT = 2**53
"""Larger whole numbers are not exact in a float64."""


@dataclass(frozen=True, slots=True)
class Rate:
    """A rate with the figures that say how far to trust it."""

    method: str
    """``mean``: counts over time. ``zeros``: -ln P(0) over the window, blind to crosstalk, afterpulses and bursts."""
    rate_Hz: float
    uncertainty_Hz: float
    quality: Mapping[str, float]


def check_counts(counts: NDArray[np.generic]) -> NDArray[np.float64]:
    """Counts as float64, shape (N,).

    Raises:
        NoResult: none, not finite, negative or not whole.
    """
    values = np.asarray(counts, dtype=float)
    if values.ndim != 1:
        raise NoResult(f"counts of shape {values.shape}: one number per window is expected")
    if not values.size:
        raise NoResult("no windows: the file or array is empty")
    for wrong, what in (
        (~np.isfinite(values), "is no finite number"),
        (values < 0, "is negative"),
        (np.abs(values) > LARGEST_COUNT, "is too large"),
        (np.isfinite(values) & (values != np.rint(values)), "is not whole"),
    ):
        if wrong.any():
            first = int(np.argmax(wrong))
            raise NoResult(
                f"{int(wrong.sum())} of {values.size} counts are wrong: window {first + 1}: {values[first]:g} {what}"
            )
    return values


def check_window(window_s: float | None) -> float:
    """A usable length of the window in seconds.

    Raises:
        NoResult: missing, or not above zero.
    """
    if window_s is None:
        raise NoResult("the length of the window is not known")
    if not (np.isfinite(window_s) and window_s > 0):
        raise NoResult(f"window of {window_s:g} s: it must be longer than 0 s")
    return window_s


def mean_rate(counts: NDArray[np.generic], window_s: float | None) -> Rate:
    """Sum of the counts over the time.

    The uncertainty is that of a Poisson law, or follows the scatter of the counts where they are clearly wider (bursts,
    drift, afterpulses) or narrower (dead time) than that: then ``scale`` is not 1. No count at all: 0 with the uncertainty of
    one count, and ``upper_limit_Hz`` at 90 %.

    Raises:
        NoResult: the counts or the window cannot be used.
    """
    values = check_counts(counts)
    time_s = values.size * check_window(window_s)
    total = float(values.sum())
    mean = total / values.size
    quality = {"windows": float(values.size), "mean": mean}
    if total == 0:
        return Rate("mean", 0.0, 1 / time_s, quality | {"scale": 1.0, "upper_limit_Hz": -float(np.log(0.1)) / time_s})
    scale = 1.0
    if values.size > 1:
        dispersion = float(values.var(ddof=1)) / mean
        # exact for a Poisson law, given the total: the counts are then multinomial
        spread = np.sqrt(2 / (values.size - 1) * (1 - 1 / total))
        quality["dispersion"] = dispersion
        if abs(dispersion - 1) > DISPERSION_SIGMAS * spread and dispersion > 0:
            scale = float(np.sqrt(dispersion))
    return Rate("mean", total / time_s, scale * float(np.sqrt(total)) / time_s, quality | {"scale": scale})


def zero_rate(counts: NDArray[np.generic], window_s: float | None) -> Rate:
    """Rate from the fraction of empty windows, which neither crosstalk nor bursts change.

    Raises:
        NoResult: the counts or the window cannot be used, or no window is empty.
    """
    values = check_counts(counts)
    window = check_window(window_s)
    empty = int((values == 0).sum())
    quality = {"windows": float(values.size), "zero_fraction": empty / values.size}
    if not empty:
        raise NoResult(f"no empty window among {values.size}: the window is too long for this method")
    if empty == values.size:
        time_s = values.size * window
        return Rate("zeros", 0.0, 1 / time_s, quality | {"upper_limit_Hz": -float(np.log(0.1)) / time_s})
    zeros = empty / values.size
    return Rate("zeros", -float(np.log(zeros)) / window, float(np.sqrt((1 - zeros) / (zeros * values.size))) / window, quality)
