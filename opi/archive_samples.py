"""Answers of the archiver's retrieval interface as lines to draw: no Qt.

What was known when is read by ``sipmdcs.history``: a line from sample to sample would show a slow rise that never was, and one
across a gap a value that nobody knows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sipmdcs.clock import NS
from sipmdcs.history import Gap, Reading, covers, gap_within, gaps_of, read_answer, sample_ns

Line = NDArray[np.float64]
"""Rows: times in Unix seconds, not falling, then values; NaN where the value is not known."""

_BAD = "not a reply of the archiver's retrieval interface"


def readings(reply: Any) -> list[Reading]:
    """What a reply says of each PV in it.

    Raises:
        ValueError: it has another shape.
    """
    return [read_answer(entry) for entry in _entries(reply)]


def _entries(reply: Any) -> list[Any]:
    if not isinstance(reply, list):
        raise ValueError(f"{_BAD}: {type(reply).__name__}, expected a list")  # noqa: TRY004 - what came is of a wrong shape
    return reply


def staircase(reading: Reading) -> Line:
    """Points to connect: each value goes on to the next change, up to the newest thing that is known."""
    edges = [edge for gap in reading.gaps for edge in (gap.lost_ns, gap.known_ns) if edge is not None]
    times = reading.time_ns.tolist() + edges
    if not len(reading.time_ns):
        return np.empty((2, 0))
    changes, values = reading.steps(int(reading.time_ns[0]), max(times) + 1)
    return np.array([np.repeat(changes / NS, 2)[1:], np.repeat(values, 2)[:-1]])


def samples_array(reply: Any) -> Line:
    """Samples of a reply about one PV, as PyDM's curves want them.

    Args:
        reply: the parsed JSON: a list with one object, whose ``data`` are ``{"secs": …, "nanos": …, "val": …}``.

    Returns:
        Two rows, times and values; five rows, times, means, deviations, minima and maxima, for an ``optimized`` reply that
        was binned. No columns if there is nothing.

    Raises:
        ValueError: the reply has another shape.
    """
    if not _entries(reply):
        return np.empty((2, 0))
    try:
        points = reply[0]["data"]
        if points and isinstance(points[0].get("val"), list):
            return _binned(points, gaps_of(reply[0]))
    except (TypeError, KeyError, ValueError, AttributeError) as err:
        raise ValueError(f"{_BAD}: {err!r}") from err
    return staircase(read_answer(reply[0]))


def _binned(points: Sequence[Any], gaps: Sequence[Gap]) -> Line:
    """Bins; those in which nothing was known are not drawn."""
    times = np.array([sample_ns(point) for point in points], np.int64)
    half = int(np.diff(times).min()) // 2 if len(times) > 1 else 0
    rows: list[list[float]] = []
    for time_ns, point in zip(times.tolist(), points, strict=True):
        gap = gap_within(gaps, time_ns - half, time_ns + half + 1)
        unknown = gap is not None and covers(gap, time_ns - half, time_ns + half)
        numbers = [np.nan] * 4 if unknown else [np.nan if part is None else float(part) for part in point["val"][:4]]
        rows.append([time_ns / NS, *numbers])
    return np.array(rows, dtype=float).T


def lone(values: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which values have no known neighbour, so that no line leads to them and they have to be drawn as points."""
    known = np.isfinite(values)
    return known & ~np.r_[False, known[:-1]] & ~np.r_[known[1:], False]
