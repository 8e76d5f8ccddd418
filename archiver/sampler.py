"""The ``scan`` method: of each PV the newest value once a period."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from archiver.rows import Rows, empty_rows, is_sample
from sipmdcs.channels import Kind, PvData


class Sampler:
    """Holds back samples of scanned PVs until their period is over.

    A period starts at a multiple of its length since the epoch. The first value of a PV goes through at once; then, at
    the end of each period in which something came, the newest. A disconnection sends what is held before it.
    """

    def __init__(self, periods_s: NDArray[np.float64]) -> None:
        """Take the period of each PV, 0 for those that are not scanned."""
        self._period_ns = (periods_s * 1e9).astype(np.int64)
        self._scanned = self._period_ns > 0
        self._due_ns = np.zeros(len(periods_s), np.int64)
        self._held = np.zeros(len(periods_s), np.bool_)
        self._rows = empty_rows(len(periods_s))
        self._payloads: dict[int, PvData] = {}
        self.active = bool(self._scanned.any())
        """Whether any PV is scanned at all."""

    def pass_on(self, pv: NDArray[np.integer], rows: NDArray[np.void], payloads: Sequence[PvData], now_ns: int) -> Rows:
        """What is to be stored now.

        Args:
            pv: index of the PV of each row.
            rows: rows as they came in; ``payload`` counts from 1 in ``payloads``.
            payloads: strings and arrays.
            now_ns: the present.
        """
        out: list[PvData] = []
        scanned = self._scanned[pv]
        sample = scanned & is_sample(rows)
        passing = _with_payloads(rows[~sample], payloads, out)
        parts: list[NDArray[np.void]] = []
        to_hold = np.flatnonzero(sample)
        for index in np.flatnonzero(scanned & (rows["kind"] == int(Kind.DISCONNECTED))).tolist():
            same = pv[to_hold] == pv[index]
            self._hold(pv, rows, to_hold[same & (to_hold < index)], payloads)
            if self._held[pv[index]]:
                parts.append(self._release(pv[index : index + 1].astype(np.intp), out))
            to_hold = to_hold[~same | (to_hold > index)]
        self._hold(pv, rows, to_hold, payloads)
        # Due in more than a period: the clock was set back, and waiting for it to come there again would be a hole.
        due = np.flatnonzero(self._held & ((now_ns >= self._due_ns) | (self._due_ns - now_ns > self._period_ns)))
        released = self._release(due, out)
        self._due_ns[due] = (now_ns // self._period_ns[due] + 1) * self._period_ns[due]
        return Rows(np.concatenate([*parts, passing, released]), out)

    def flush(self) -> Rows:
        """Everything that is held back."""
        payloads: list[PvData] = []
        return Rows(self._release(np.flatnonzero(self._held), payloads), payloads)

    def _hold(
        self, pv: NDArray[np.integer], rows: NDArray[np.void], indices: NDArray[np.intp], payloads: Sequence[PvData]
    ) -> None:
        numbers = pv[indices]
        self._rows[numbers] = rows[indices]  # of several rows of one PV the last one stays
        self._held[numbers] = True
        for index in indices[rows["payload"][indices] > 0].tolist():
            self._payloads[int(pv[index])] = payloads[int(rows["payload"][index]) - 1]

    def _release(self, numbers: NDArray[np.intp], payloads: list[PvData]) -> NDArray[np.void]:
        released = self._rows[numbers]
        self._held[numbers] = False
        for row in np.flatnonzero(released["payload"]).tolist():
            payloads.append(self._payloads.pop(int(numbers[row])))
            released["payload"][row] = len(payloads)
        return released


def _with_payloads(rows: NDArray[np.void], payloads: Sequence[PvData], out: list[PvData]) -> NDArray[np.void]:
    """``rows`` with only their own payloads, appended to ``out``."""
    for row in np.flatnonzero(rows["payload"]).tolist():
        out.append(payloads[int(rows["payload"][row]) - 1])
        rows["payload"][row] = len(out)
    return rows
