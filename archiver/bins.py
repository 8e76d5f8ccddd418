"""Time bins of the Archiver Appliance, and statistics in them.

Bins have a width in whole seconds and are aligned to the epoch: bin ``k`` holds ``k * width <= epoch seconds < (k + 1) *
width``. A query makes bins from that of ``from`` to that of ``to``; the sample before ``from`` gets an extra bin in
front of them. Samples that are not a number are left out of every statistic.

Source: ``SummaryStatsPostProcessor.java`` and ``SummaryStatsCollectorEventStream.java`` of epicsarchiverap. One
difference: the extra bin has the severity of its sample, not 0.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from archiver.errors import BadQuery
from archiver.samples import Samples
from sipmdcs.clock import NS

MAX_BINS = 200_000


@dataclass(frozen=True, slots=True)
class Interval:
    """What a query asks for, both ends inclusive, Unix nanoseconds."""

    from_ns: int
    to_ns: int


@dataclass(frozen=True, slots=True)
class Binned:
    """Samples by bin: ``number`` has one entry per bin that is not empty, ``owner`` one per sample."""

    number: NDArray[np.int64]
    owner: NDArray[np.intp]
    """Index into ``number``."""
    first: NDArray[np.intp]
    """Index of the first sample of each bin."""


def check_width(interval: Interval, width_s: int) -> None:
    """See that an interval does not make too many bins.

    Raises:
        BadQuery: it does, or the width is not positive.
    """
    if width_s < 1:
        raise BadQuery(f"a bin of {width_s} s, expected at least 1 s")
    count = (interval.to_ns - interval.from_ns) // (width_s * NS)
    if count > MAX_BINS:
        raise BadQuery(f"{count:,} bins of {width_s} s in this interval, the limit is {MAX_BINS:,}; ask for wider bins")


def first_bin(interval: Interval, width_s: int) -> int:
    """Number of the bin that holds ``from``."""
    return interval.from_ns // NS // width_s


def last_bin(interval: Interval, width_s: int) -> int:
    """Number of the bin that holds ``to``."""
    return interval.to_ns // NS // width_s


def centre_ns(number: NDArray[np.int64], width_s: int, *, half_seconds: bool) -> NDArray[np.int64]:
    """Middle of bins; of odd widths cut to whole seconds unless ``half_seconds``."""
    seconds = number * width_s + width_s // 2
    return seconds * NS + (NS // 2 if half_seconds and width_s % 2 else 0)


def assign(numbers: NDArray[np.int64]) -> Binned:
    """Group samples by the bin number of each, which must ascend."""
    first = np.flatnonzero(np.r_[True, numbers[1:] != numbers[:-1]]) if len(numbers) else np.empty(0, np.intp)
    owner = np.repeat(np.arange(len(first)), np.diff(np.r_[first, len(numbers)]))
    return Binned(numbers[first], owner, first)


def bin_numbers(samples: Samples, width_s: int) -> NDArray[np.int64]:
    """Bin of each sample by its own time."""
    return samples.time_ns // (NS * width_s)


def fill(present: NDArray[np.int64], last: int) -> tuple[NDArray[np.int64], NDArray[np.intp]]:
    """Every bin from the first that is present to ``last``, and which present one each takes its content from."""
    if not len(present):
        return present, np.empty(0, np.intp)
    numbers = np.arange(present[0], last + 1)
    return numbers, np.searchsorted(present, numbers, "right") - 1


@dataclass(frozen=True, slots=True)
class Statistics:
    """Statistics of the bins of ``binned``; of bins without a number the count is 0 and all else NaN."""

    binned: Binned
    count: NDArray[np.int64]
    mean: NDArray[np.float64]
    min: NDArray[np.float64]
    max: NDArray[np.float64]
    squares: NDArray[np.float64]
    """Sum of squared distances from the mean."""

    @property
    def variance(self) -> NDArray[np.float64]:
        """Of a sample: n - 1 in the denominator, 0 for one value."""
        return np.where(self.count == 1, 0.0, _divide(self.squares, self.count - 1))

    @property
    def population_variance(self) -> NDArray[np.float64]:
        """With n in the denominator."""
        return _divide(self.squares, self.count)

    @property
    def std(self) -> NDArray[np.float64]:
        """Root of ``variance``."""
        return np.sqrt(self.variance)


def _divide(above: NDArray[np.float64], below: NDArray[np.integer]) -> NDArray[np.float64]:
    with np.errstate(invalid="ignore"):
        return above / np.where(below > 0, below, np.nan)


def statistics(binned: Binned, values: NDArray[np.float64]) -> Statistics:
    """Statistics of values grouped by bin."""
    bins = len(binned.number)
    valid = ~np.isnan(values)
    owner, numbers = binned.owner[valid], values[valid]
    count = np.bincount(owner, minlength=bins)
    with np.errstate(invalid="ignore", over="ignore"):  # infinities and sums of huge values give NaN and infinity
        mean = _divide(np.bincount(owner, weights=numbers, minlength=bins).astype(np.float64), count)
        squares = np.bincount(owner, weights=(numbers - mean[owner]) ** 2, minlength=bins).astype(np.float64)
    low = np.fmin.reduceat(values, binned.first) if bins else np.empty(0)
    high = np.fmax.reduceat(values, binned.first) if bins else np.empty(0)
    return Statistics(binned, count, mean, low, high, squares)


def medians(binned: Binned, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Median of each bin: of an even number of values the mean of the two in the middle."""
    order = np.lexsort((values, binned.owner))  # NaN last within each bin
    count = np.bincount(binned.owner[~np.isnan(values)], minlength=len(binned.number))
    ordered = values[order]
    low, high = binned.first + np.maximum(count - 1, 0) // 2, binned.first + count // 2
    high = np.minimum(high, len(values) - 1)
    with np.errstate(invalid="ignore"):
        return np.where(count > 0, ordered[low] / 2 + ordered[high] / 2, np.nan) if len(values) else np.empty(0)
