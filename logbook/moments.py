"""What one PV did during an interval, from its samples: means over time, not over samples.

A sample holds until the next one. Times in which nothing is known count as INVALID. Intervals are half-open; what two adjacent
ones give can be combined, and is the same as of the whole.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sipmdcs.clock import NS

INVALID = 3
"""Severity of a value that means nothing; above it, one that was not taken at all."""
NOT_TAKEN = 4


@dataclass(frozen=True, slots=True)
class Steps:
    """A PV as a step function: each sample holds until the next."""

    time_ns: NDArray[np.int64]
    """Not decreasing."""
    value: NDArray[np.float64]
    severity: NDArray[np.int8]
    """0 to 3 as in EPICS, ``NOT_TAKEN`` where nothing is known."""
    counts: NDArray[np.bool_]
    """Whether it is a sample, not only an edge of a gap."""


def no_steps() -> Steps:
    """Of a PV of which there is nothing."""
    return Steps(np.empty(0, np.int64), np.empty(0), np.empty(0, np.int8), np.empty(0, np.bool_))


@dataclass(frozen=True, slots=True)
class Moments:
    """Sums over an interval, that can be added."""

    samples: int = 0
    valid_ns: int = 0
    """Time with a value that means something."""
    mean: float = 0.0
    squares: float = 0.0
    """Squared deviation from the mean, integrated over the valid time in ns."""
    minimum: float = math.inf
    maximum: float = -math.inf
    alarm_ns: int = 0
    invalid_ns: int = 0

    def __add__(self, other: Moments) -> Moments:
        """Of two intervals that do not overlap (Chan, Golub, LeVeque, Am. Stat. 37 (1983) 242)."""
        valid_ns = self.valid_ns + other.valid_ns
        mean, squares = self.mean, self.squares
        if other.valid_ns:
            share = other.valid_ns / valid_ns
            delta = other.mean - self.mean if self.valid_ns else 0.0
            mean = self.mean + delta * share if self.valid_ns else other.mean
            squares = self.squares + other.squares + delta * delta * self.valid_ns * share
        return Moments(
            self.samples + other.samples,
            valid_ns,
            mean,
            squares,
            min(self.minimum, other.minimum),
            max(self.maximum, other.maximum),
            self.alarm_ns + other.alarm_ns,
            self.invalid_ns + other.invalid_ns,
        )


@dataclass(frozen=True, slots=True)
class PvSummary:
    """What goes into the slow-control table, times in seconds."""

    samples: int
    mean: float | None
    minimum: float | None
    maximum: float | None
    rms: float | None
    alarm_s: float
    invalid_s: float


def moments(steps: Steps, start_ns: int, end_ns: int) -> Moments:
    """Of the half-open interval from ``start_ns`` to ``end_ns``; time before the first sample counts as not taken."""
    if end_ns <= start_ns:
        return Moments()
    edges = np.clip(np.append(steps.time_ns, end_ns), start_ns, end_ns)
    held_ns = np.diff(edges)
    inside = (steps.time_ns >= start_ns) & (steps.time_ns < end_ns)
    before_ns = int(edges[0]) - start_ns
    number = np.isfinite(steps.value)
    valid = (steps.severity < INVALID) & number
    weights = np.where(valid, held_ns, 0)
    valid_ns = int(weights.sum())
    seen = valid & ((held_ns > 0) | (inside & steps.counts))
    mean = squares = 0.0
    if valid_ns:
        used = weights > 0
        shares, values = weights[used] / valid_ns, steps.value[used]
        # About the first value, so that a large common offset costs no digits.
        mean = float(values[0] + np.sum(shares * (values - values[0])))
        squares = float(np.sum(shares * (values - mean) ** 2)) * valid_ns
    return Moments(
        samples=int(np.count_nonzero(inside & steps.counts)),
        valid_ns=valid_ns,
        mean=mean,
        squares=squares,
        minimum=float(steps.value[seen].min()) if seen.any() else math.inf,
        maximum=float(steps.value[seen].max()) if seen.any() else -math.inf,
        alarm_ns=int(held_ns[(steps.severity > 0) & (steps.severity <= INVALID)].sum()),
        invalid_ns=int(held_ns[~valid].sum()) + before_ns,
    )


def summary(total: Moments) -> PvSummary:
    """The figures of an interval; no mean, extremes and rms where no value meant anything."""
    seen = total.minimum <= total.maximum
    return PvSummary(
        samples=total.samples,
        mean=min(max(total.mean, total.minimum), total.maximum) if total.valid_ns else None,
        minimum=total.minimum if seen else None,
        maximum=total.maximum if seen else None,
        rms=math.sqrt(max(total.squares, 0.0) / total.valid_ns) if total.valid_ns else None,
        alarm_s=total.alarm_ns / NS,
        invalid_s=total.invalid_ns / NS,
    )
