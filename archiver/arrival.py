"""Marks on samples whose time stamp is older than, equal to, or far ahead of what it should be."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from archiver.rows import FUTURE_NS, Flag


class ArrivalWatch:
    """Remembers the newest time stamp of every PV."""

    def __init__(self, newest_ns: NDArray[np.int64]) -> None:
        """Start from what was archived before: one time per PV, 0 where there is nothing."""
        self.newest_ns = newest_ns.copy()

    def flags(self, pv: NDArray[np.integer], time_ns: NDArray[np.int64], received_ns: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Flags of samples in the order they came in.

        A sample from the future is flagged and otherwise forgotten, so that one wrong clock does not make
        everything after it late.
        """
        flags = np.zeros(len(pv), np.uint8)
        if not len(pv):
            return flags
        order = np.argsort(pv, kind="stable")
        pvs, times = pv[order], time_ns[order]
        starts = np.flatnonzero(np.r_[True, pvs[1:] != pvs[:-1]])
        before = np.empty_like(times)
        before[1:] = times[:-1]
        before[starts] = self.newest_ns[pvs[starts]]
        odd = (times <= before) | (times > received_ns[order] + FUTURE_NS)
        ends = np.r_[starts[1:], len(pvs)]
        if not odd.any():
            self.newest_ns[pvs[starts]] = times[ends - 1]
            return flags
        odd_groups = np.logical_or.reduceat(odd, starts)
        good = ~odd_groups
        self.newest_ns[pvs[starts[good]]] = times[ends[good] - 1]
        for start, end in zip(starts[odd_groups].tolist(), ends[odd_groups].tolist(), strict=True):
            for index in order[start:end].tolist():
                flags[index] = self._flag(int(pv[index]), int(time_ns[index]), int(received_ns[index]))
        return flags

    def _flag(self, pv: int, time_ns: int, received_ns: int) -> Flag:
        newest = int(self.newest_ns[pv])
        if time_ns > received_ns + FUTURE_NS:
            return Flag.FUTURE
        if time_ns > newest:
            self.newest_ns[pv] = time_ns
            return Flag(0)
        return Flag.DUPLICATE if time_ns == newest else Flag.LATE
