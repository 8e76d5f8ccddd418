"""Samples of the archiver's retrieval interface as lines to draw: pure, no Qt.

The archive has a value when it changed. In between it held, as far as anybody listened: a line from sample to sample would show
a slow rise that never was, and one across an outage a value that nobody knows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sipmdcs.severity import Severity

Line = NDArray[np.float64]
"""Rows: times in Unix seconds, not falling, then values; NaN where the value is not known."""

_LOST = "cnxlostepsecs"
"""Field of the first sample after an outage: when the connection was lost, epoch seconds."""
_REGAINED = "connectionChange"
"""Field of a bin in which a PV came back, and of those after it that only repeat it."""


def reply_points(reply: Any) -> list[list[Mapping[str, Any]]]:
    """Points of each PV of a reply.

    Raises:
        ValueError: the reply has another shape.
    """
    try:
        return [[{**point, "at": point["secs"] + point.get("nanos", 0) * 1e-9} for point in entry["data"]] for entry in reply]
    except (TypeError, KeyError) as err:
        raise ValueError(f"not a reply of the archiver's retrieval interface: {err!r}") from err


def changes(points: Iterable[Mapping[str, Any]]) -> Line:
    """Two rows: when the value became another, and which; NaN from a disconnection or an INVALID value on.

    Args:
        points: of one PV, ``{"at", "val", "severity", "fields"}``, numbers, not binned.

    Raises:
        ValueError: a value is no number.
    """
    times: list[float] = []
    values: list[float] = []
    for point in points:
        lost = point.get("fields", {}).get(_LOST)
        if lost is not None and times and float(lost) < point["at"]:
            times.append(max(times[-1], float(lost)))
            values.append(float("nan"))
        times.append(point["at"])
        values.append(_value(point))
    return np.array([times, values], dtype=float)


def staircase(line: Line) -> Line:
    """Changes as points to connect: each value goes on to the next change."""
    return np.array([np.repeat(line[0], 2)[1:], np.repeat(line[1], 2)[:-1]])


def value_at(line: Line, times: NDArray[np.float64]) -> NDArray[np.float64]:
    """What changes say of some times; NaN before the first."""
    index = np.searchsorted(line[0], times, side="right") - 1
    return np.where(index < 0, np.nan, np.append(line[1], np.nan)[index])


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
    found = reply_points(reply)
    points = found[0] if found else []
    if points and isinstance(points[0].get("val"), list):
        return _binned(points)
    line = changes(points)
    return staircase(line) if line.size else line


def _binned(points: Sequence[Mapping[str, Any]]) -> Line:
    """Bins; those before a reconnection that only repeat an older one are not known."""
    try:
        rows = [[point["at"], *(float(part) for part in point["val"][:4])] for point in points]
        for index in range(len(rows) - 1, 0, -1):
            if _came_back(points[index]) and not _came_back(points[index - 1]):
                for before in range(index - 1, 0, -1):
                    if points[before]["val"] != points[before - 1]["val"]:
                        break
                    rows[before][1:] = [float("nan")] * 4
        return np.array(rows, dtype=float).T
    except (TypeError, KeyError, ValueError) as err:
        raise ValueError(f"not a reply of the archiver's retrieval interface: {err!r}") from err


def _came_back(point: Mapping[str, Any]) -> bool:
    return _REGAINED in point.get("fields", {})


def _value(point: Mapping[str, Any]) -> float:
    try:
        return float("nan") if point.get("severity", 0) >= Severity.INVALID else float(point["val"])
    except (TypeError, KeyError, ValueError) as err:
        raise ValueError(f"not a reply of the archiver's retrieval interface: {err!r}") from err
