"""A measured IV curve made fit for analysis: one polarity, ascending, each voltage once, without what the meter cut off."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.outcome import NoResult

Floats = NDArray[np.float64]

FEWEST_POINTS = 12
MOST_POINTS = 600
"""Finer curves are averaged: the width of a breakdown, not the number of points, limits the result."""
LOWEST = 0.2
"""Of the largest voltage; below, a diode depletes and its current begins, which is steeper than many a breakdown."""
PLATEAU = 2e-3
"""Currents this close to the largest, relative, are at the limit of the meter."""
PLATEAU_POINTS = 4


@dataclass(frozen=True, slots=True)
class IVCurve:
    """Bias and current, both turned so that reverse bias and the current that it draws are positive."""

    voltage: Floats
    """V, shape (N,), strictly ascending."""
    current: Floats
    """A, shape (N,)."""
    limit: float | None
    """Current (A) at which the meter cut the curve off; those points are left out."""
    averaged: int
    """Points that fell together with others."""


def prepare(array: NDArray[np.generic]) -> IVCurve:
    """Put the points of a sweep in order.

    A curve with more negative than positive voltages is turned; points of the other polarity and those far below are left out.
    Points closer than a twentieth of their mean distance are averaged as repetitions, so that sweeps up and down can be mixed.

    Args:
        array: shape (N, 2), volt and ampere.

    Raises:
        NoResult: wrong shape, not finite, too few points.
    """
    points = np.asarray(array, dtype=float)
    if points.ndim != 2 or points.shape[1] != 2:
        raise NoResult(f"IV curve of shape {points.shape}: two columns, volt and ampere, are expected")
    if not len(points):
        raise NoResult("no points: the file or array is empty")
    wrong = ~np.isfinite(points).all(axis=1)
    if wrong.any():
        first = int(np.argmax(wrong))
        raise NoResult(f"{int(wrong.sum())} of {len(points)} points are no finite numbers, first point {first + 1}")
    if abs(points[:, 0].min()) > abs(points[:, 0].max()):
        points = -points
    points = points[points[:, 0] >= LOWEST * points[:, 0].max()]
    points = points[np.argsort(points[:, 0], kind="stable")]
    if len(points) < FEWEST_POINTS:
        raise NoResult(f"{len(points)} points: at least {FEWEST_POINTS} are needed")
    top = points[-max(3, len(points) // 4) :, 1]
    if np.median(top) < 0:
        points[:, 1] *= -1
    voltage, current = _average(points)
    if len(voltage) < FEWEST_POINTS:
        raise NoResult(f"{len(voltage)} different voltages: at least {FEWEST_POINTS} are needed")
    averaged = len(points) - len(voltage)
    limit = None
    if (cut := _plateau(current)) < len(voltage):
        limit = float(current[cut:].mean())
        voltage, current = voltage[:cut], current[:cut]
        if len(voltage) < FEWEST_POINTS:
            raise NoResult(f"{len(voltage)} points below the limit of the meter, {limit:.3g} A: {FEWEST_POINTS} are needed")
    return IVCurve(voltage, current, limit, averaged)


def _average(points: Floats) -> tuple[Floats, Floats]:
    """Means of points that are repetitions, and of neighbours where there are more than ``MOST_POINTS``."""
    voltage = points[:, 0]
    span = voltage[-1] - voltage[0]
    if span <= 0:
        return points[:1, 0], points[:1, 1]
    same = span / (20 * len(points))
    starts = np.concatenate([[True], np.diff(voltage) > same])
    chain = np.cumsum(starts) - 1
    # many fine steps in a row are no repetition: none is averaged with points farther away than that
    piece = np.floor((voltage - voltage[starts][chain]) / same)
    group = np.concatenate([[0], np.cumsum(starts[1:] | (np.diff(piece) > 0))])
    # by number, not by voltage, so that fine steps about the breakdown stay fine
    group //= -(-int(group[-1] + 1) // MOST_POINTS)
    counts = np.bincount(group)
    return np.bincount(group, voltage) / counts, np.bincount(group, points[:, 1]) / counts


def _plateau(current: Floats) -> int:
    """Index of the first of the last points if these are all at one largest current, else the number of points."""
    highest = float(current.max())
    if highest <= 0:
        return len(current)
    at_limit = current >= (1 - PLATEAU) * highest
    start = len(current) - int(np.argmin(at_limit[::-1])) if not at_limit.all() else 0
    return start if len(current) - start >= PLATEAU_POINTS and start > 0 else len(current)
