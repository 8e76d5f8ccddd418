"""Samples of one PV as columns: what the read path gives and operators and formats take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sipmdcs.channels import PvData

Selection = slice | NDArray[np.bool_] | NDArray[np.integer]
"""A slice, a mask or indices."""


@dataclass(frozen=True, slots=True)
class Samples:
    """Samples of one PV in time order; unless said otherwise no two have the same time."""

    time_ns: NDArray[np.int64]
    received_ns: NDArray[np.int64]
    """When it came in; exact to a millisecond once it is in the lake."""
    value: NDArray[np.float64]
    """Numbers and enumeration indices; NaN where there is a payload."""
    severity: NDArray[np.uint8]
    status: NDArray[np.uint16]
    flags: NDArray[np.uint8]
    """``rows.Flag``."""
    payload: NDArray[np.object_] | None = None
    """Strings and arrays, ``None`` elsewhere; left out if all samples are numbers."""

    def __len__(self) -> int:
        return len(self.time_ns)

    def data(self, index: int) -> PvData:
        """Value of one sample."""
        payload = None if self.payload is None else self.payload[index]
        return float(self.value[index]) if payload is None else payload

    def take(self, selection: Selection) -> Samples:
        """Some of them."""
        return Samples(
            self.time_ns[selection],
            self.received_ns[selection],
            self.value[selection],
            self.severity[selection],
            self.status[selection],
            self.flags[selection],
            None if self.payload is None else self.payload[selection],
        )


def no_samples() -> Samples:
    """None at all."""
    times = np.empty(0, np.int64)
    return Samples(times, times, np.empty(0), np.empty(0, np.uint8), np.empty(0, np.uint16), np.empty(0, np.uint8))


def join(parts: Sequence[Samples]) -> Samples:
    """Samples of several sources, one after the other as they are."""
    if not parts:
        return no_samples()
    if len(parts) == 1:
        return parts[0]
    payload = None
    if any(part.payload is not None for part in parts):
        payload = np.concatenate([np.full(len(p), None, object) if p.payload is None else p.payload for p in parts])
    return Samples(
        np.concatenate([part.time_ns for part in parts]),
        np.concatenate([part.received_ns for part in parts]),
        np.concatenate([part.value for part in parts]),
        np.concatenate([part.severity for part in parts]),
        np.concatenate([part.status for part in parts]),
        np.concatenate([part.flags for part in parts]),
        payload,
    )


def in_order(samples: Samples) -> Samples:
    """Sorted by time; of samples with equal time the one that came in last."""
    times = samples.time_ns
    if np.all(times[1:] > times[:-1]):
        return samples
    ordered = samples.take(np.lexsort((samples.received_ns, times)))
    keep = np.r_[ordered.time_ns[1:] != ordered.time_ns[:-1], True] if len(ordered) else slice(None)
    return ordered.take(keep)
