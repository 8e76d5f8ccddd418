"""Savitzky-Golay smoothing for any spacing: values and slopes by a parabola through the neighbours of each point."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

WINDOW_V = 0.2
"""Half a window, if it holds enough points: a breakdown is about 0.4 V wide."""
WINDOW_STEPS = 3.0
FEWEST = 5
"""Points of a parabola: two more than it has coefficients."""
WIDEST = 2.0
"""Times the half window that the next points may be away; beyond it there is a gap in the curve."""


class Smoother(NamedTuple):
    """Linear operators from measured to smoothed values: uncertainties follow by ``M C M.T``."""

    value: Floats
    """Shape (N, N)."""
    slope: Floats
    """Shape (N, N), per volt."""
    valid: NDArray[np.bool_]
    """Shape (N,); false beside a gap."""
    half: float
    """Half a window, volt."""


def smoother(voltage: Floats, step: float) -> Smoother:
    """Operators for these voltages.

    Args:
        voltage: strictly ascending, at least ``FEWEST``.
        step: usual distance of voltages.
    """
    count = len(voltage)
    half = max(WINDOW_V, WINDOW_STEPS * step)
    value, slope = np.zeros((count, count)), np.zeros((count, count))
    valid = np.ones(count, dtype=bool)
    for index, at in enumerate(voltage):
        away = np.abs(voltage - at)
        inside = np.flatnonzero(away <= half * (1 + 1e-9))
        if len(inside) < FEWEST:
            inside = np.sort(np.argsort(away, kind="stable")[:FEWEST])
            valid[index] = away[inside].max() <= WIDEST * half
        x = (voltage[inside] - at) / half
        solve = np.linalg.pinv(np.stack([np.ones_like(x), x, x * x], axis=1))
        value[index, inside] = solve[0]
        slope[index, inside] = solve[1] / half
    return Smoother(value, slope, valid, half)
