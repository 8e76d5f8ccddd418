"""What an operator takes and gives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from archiver.bins import Interval
from archiver.samples import Samples
from sipmdcs.channels import PvType


@dataclass(frozen=True, slots=True)
class Marked:
    """Samples of a query: the newest at or before ``from``, then all up to ``to``."""

    samples: Samples
    regained: NDArray[np.bool_]
    """Which are the first after a time without connection."""


@dataclass(frozen=True, slots=True)
class Result:
    """What an operator gives."""

    samples: Samples
    regained: NDArray[np.bool_]
    type: PvType | None = None
    """Type of the values; ``None``: that of the PV."""
    binned: bool = False
    """Whether ``regained`` speaks of bins that hold a reconnection, not of samples."""


Operator = Callable[[Marked, Interval, int], Result]
"""Takes the samples of a query, its interval and a parameter."""


def derived(
    time_ns: NDArray[np.int64],
    value: NDArray[np.float64],
    severity: NDArray[np.uint8],
    payload: NDArray[np.object_] | None = None,
) -> Samples:
    """Samples that an operator computed, without alarm status."""
    zeros = np.zeros(len(time_ns), np.uint16)
    return Samples(time_ns, time_ns, value, severity, zeros, zeros.astype(np.uint8), payload)
