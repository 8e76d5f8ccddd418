"""Operators that summarize bins in numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from archiver.bins import (
    Interval,
    Statistics,
    assign,
    bin_numbers,
    centre_ns,
    check_width,
    fill,
    first_bin,
    last_bin,
    medians,
    statistics,
)
from archiver.errors import BadQuery
from archiver.result import Marked, Operator, Result, derived
from archiver.samples import Samples
from sipmdcs.channels import PvType
from sipmdcs.clock import NS


def _need_numbers(samples: Samples) -> None:
    if samples.payload is not None and np.isnan(samples.value).all():
        raise BadQuery("this operator needs a PV that is a number, not a string or an array")


@dataclass(frozen=True, slots=True)
class _Summary:
    """Bins of a query: statistics, highest severity, and whether one holds a reconnection."""

    statistics: Statistics
    severity: NDArray[np.uint8]
    regained: NDArray[np.bool_]
    values: NDArray[np.float64]


def _summarize(marked: Marked, interval: Interval, width_s: int) -> _Summary:
    check_width(interval, width_s)
    samples = marked.samples
    _need_numbers(samples)
    numbers = bin_numbers(samples, width_s)
    if len(samples) and samples.time_ns[0] < interval.from_ns:
        numbers[0] = first_bin(interval, width_s) - 1
    binned = assign(numbers)
    if len(samples):
        severity = np.maximum.reduceat(samples.severity, binned.first)
        regained = np.logical_or.reduceat(marked.regained, binned.first)
    else:
        severity, regained = samples.severity, marked.regained
    return _Summary(statistics(binned, samples.value), severity, regained, samples.value)


def summary_operator(name: str, *, filled: bool) -> Operator:
    """The operator that gives one statistic per bin.

    Args:
        name: one of ``STATISTICS``.
        filled: repeat the bin before in empty bins; of ``count`` 0.
    """
    value = STATISTICS[name]
    zero_when_empty = name == "count"

    def operator(marked: Marked, interval: Interval, width_s: int) -> Result:
        summary = _summarize(marked, interval, width_s)
        present = summary.statistics.binned.number
        values, severity, regained = value(summary), summary.severity, summary.regained
        numbers = present
        if filled:
            numbers, source = fill(present, last_bin(interval, width_s))
            values, severity, regained = values[source], severity[source], regained[source]
            if zero_when_empty:
                empty = present[source] != numbers
                values[empty], severity[empty], regained[empty] = 0, 0, False
        times = centre_ns(numbers, width_s, half_seconds=True)
        if values.ndim == 1:
            return Result(derived(times, values, severity), regained, PvType.DOUBLE, binned=True)
        payload = np.empty(len(values), object)
        payload[:] = list(values)
        return Result(derived(times, np.full(len(times), np.nan), severity, payload), regained, PvType.DOUBLE, binned=True)

    return operator


def _vectors(summary: _Summary) -> NDArray[np.float64]:
    s = summary.statistics
    return np.column_stack((s.mean, s.std, s.min, s.max, s.count.astype(np.float64)))


def _jitter(summary: _Summary) -> NDArray[np.float64]:
    with np.errstate(divide="ignore", invalid="ignore"):
        return summary.statistics.std / summary.statistics.mean


STATISTICS: Mapping[str, Callable[[_Summary], NDArray[np.float64]]] = {
    "mean": lambda summary: summary.statistics.mean,
    "min": lambda summary: summary.statistics.min,
    "max": lambda summary: summary.statistics.max,
    "count": lambda summary: summary.statistics.count.astype(np.float64),
    "std": lambda summary: summary.statistics.std,
    "variance": lambda summary: summary.statistics.variance,
    "popvariance": lambda summary: summary.statistics.population_variance,
    "median": lambda summary: medians(summary.statistics.binned, summary.values),
    "jitter": _jitter,
    "stats": _vectors,
}

_stats = summary_operator("stats", filled=True)


def optimized(marked: Marked, interval: Interval, points: int) -> Result:
    """Statistics in about so many bins, or the samples themselves if they are not more."""
    if points < 1:
        raise BadQuery(f"optimized_{points}: expected at least one point")
    if len(marked.samples) <= points:
        return Result(marked.samples, marked.regained)
    return _stats(marked, interval, max(1, (interval.to_ns // NS - interval.from_ns // NS) // points))
