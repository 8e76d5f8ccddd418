"""Savitzky-Golay smoothing for any spacing: values and slopes by a parabola through the neighbours of each point."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

WINDOW_V = 0.2
"""Half a window, if it holds enough points: a breakdown is about 0.4 V wide."""
WINDOW_STEPS = 3.0
LOCAL_STEPS = 3
"""Distances on either side of a point whose median is its local step."""
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
    half: Floats
    """Half the window of each point, volt, shape (N,)."""


def smoother(voltage: Floats) -> Smoother:
    """Operators for these voltages, strictly ascending, at least ``FEWEST``."""
    count = len(voltage)
    halves = np.maximum(WINDOW_V, WINDOW_STEPS * _steps(voltage))
    value, slope = np.zeros((count, count)), np.zeros((count, count))
    valid = np.ones(count, dtype=bool)
    for index, at in enumerate(voltage):
        away, half = np.abs(voltage - at), halves[index]
        inside = np.flatnonzero(away <= half * (1 + 1e-9))
        if len(inside) < FEWEST:
            inside = np.sort(np.argsort(away, kind="stable")[:FEWEST])
            valid[index] = away[inside].max() <= WIDEST * half
        x = (voltage[inside] - at) / half
        solve = np.linalg.pinv(np.stack([np.ones_like(x), x, x * x], axis=1))
        value[index, inside] = solve[0]
        slope[index, inside] = solve[1] / half
    return Smoother(value, slope, valid, halves)


def _steps(voltage: Floats) -> Floats:
    """Usual distance of voltages about each point: on its finer side, where coarse steps meet fine ones."""
    steps = np.diff(voltage)
    sides = (
        [np.median(side) for side in (steps[max(i - LOCAL_STEPS, 0) : i], steps[i : i + LOCAL_STEPS]) if side.size]
        for i in range(len(voltage))
    )
    return np.array([min(side) for side in sides])
