"""The order of rows in files of the lake."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def by_pv_and_time(pvs: NDArray[np.uint32], times: NDArray[np.int64]) -> NDArray[np.intp]:
    """Order of rows by PV, then time; rows that are equal in both stay as they are.

    Args:
        pvs: numbers that lie within 65,536 of each other.
        times: time stamps; fastest where those of a PV ascend already, as they do unless a sample came late.
    """
    order = np.argsort((pvs - pvs.min()).astype(np.uint16), kind="stable")  # of 16 bits numpy makes a radix sort
    pvs, sorted_times = pvs[order], times[order]
    if np.all((sorted_times[1:] >= sorted_times[:-1]) | (pvs[1:] != pvs[:-1])):
        return order
    return order[np.lexsort((sorted_times, pvs))]
