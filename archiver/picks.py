"""Operators that choose or count samples."""

from __future__ import annotations

import numpy as np

from archiver.bins import Interval, assign, bin_numbers, centre_ns, check_width, fill, first_bin, last_bin
from archiver.errors import BadQuery
from archiver.result import Marked, Operator, Result, derived
from archiver.samples import Samples
from sipmdcs.channels import PvType


def raw(marked: Marked, interval: Interval, parameter: int) -> Result:
    """The samples themselves."""
    return Result(marked.samples, marked.regained)


def pick(*, last: bool, filled: bool) -> Operator:
    """The operator that gives one sample per bin.

    Args:
        last: the last one of each bin, not the first.
        filled: at the bin's centre, and in empty bins that of the bin before.
    """

    def operator(marked: Marked, interval: Interval, width_s: int) -> Result:
        check_width(interval, width_s)
        numbers = bin_numbers(marked.samples, width_s)
        first = first_bin(interval, width_s)
        earlier = numbers < first  # at most one: the newest sample before the first bin
        if last or filled:
            numbers = np.where(earlier, first - 1, numbers)
            samples, regained = marked.samples, marked.regained
        else:
            numbers, samples, regained = numbers[~earlier], marked.samples.take(~earlier), marked.regained[~earlier]
        binned = assign(numbers)
        chosen = np.r_[binned.first[1:], len(numbers)] - 1 if last and len(numbers) else binned.first
        samples, regained = samples.take(chosen), regained[chosen]
        if not filled:
            return Result(samples, regained)
        bins, source = fill(binned.number, last_bin(interval, width_s))
        times = centre_ns(bins, width_s, half_seconds=False)
        taken = samples.take(source)
        moved = Samples(times, taken.received_ns, taken.value, taken.severity, taken.status, taken.flags, taken.payload)
        return Result(moved, np.zeros(len(times), np.bool_))

    return operator


def nth(marked: Marked, interval: Interval, stride: int) -> Result:
    """Every so many samples, from the first one at or after ``from``."""
    if stride < 1:
        raise BadQuery(f"nth_{stride}: expected at least 1")
    inside = np.flatnonzero(marked.samples.time_ns >= interval.from_ns)[::stride]
    return Result(marked.samples.take(inside), marked.regained[inside])


def ncount(marked: Marked, interval: Interval, parameter: int) -> Result:
    """One number, at ``from``: how many samples there are from then on."""
    count = np.count_nonzero(marked.samples.time_ns >= interval.from_ns)
    time = np.array([interval.from_ns // 1_000_000 * 1_000_000])
    return Result(derived(time, np.array([float(count)]), np.zeros(1, np.uint8)), np.zeros(1, np.bool_), PvType.LONG)
