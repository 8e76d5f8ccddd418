"""Which channels of the detector have PVs, and which are masked, followed in one capture.

A large detector has thousands of channels. Each of them through PyDM would take milliseconds to connect and as long to leave.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QObject

from opi.detector import ControllerRow
from opi.qt_signal import Signal
from opi.timer import make_timer
from opi.writes import shared_channels
from sipmdcs.channels import Kind

DRAIN_MS = 250


class MaskWatch(QObject):
    """The record ``MASK`` of every channel."""

    changed = Signal(set)
    """Indices of controllers with a channel that came, went, was masked or is used again."""

    def __init__(self, rows: Sequence[ControllerRow], parent: QObject | None = None) -> None:
        super().__init__(parent)
        names = [row.channel(index).pv("MASK") for row in rows for index in range(row.channels)]
        self._ends = list(accumulate(row.channels for row in rows))
        self._row_of = np.repeat(np.arange(len(rows)), [row.channels for row in rows])
        self._connected = np.zeros(len(names), np.bool_)
        self._masked = np.zeros(len(names), np.bool_)
        self._capture = shared_channels().capture(names)
        self._timer = make_timer(self, DRAIN_MS, self._drain)

    def connected(self, row: int) -> NDArray[np.bool_]:
        """Which channels of a controller have PVs."""
        return self._connected[self._slice(row)]

    def masked(self, row: int) -> NDArray[np.bool_]:
        """Which channels of a controller are known bad."""
        return self._masked[self._slice(row)]

    def close(self) -> None:
        """Stop following."""
        self._timer.stop()
        self._capture.close()

    def _slice(self, row: int) -> slice:
        return slice(self._ends[row - 1] if row else 0, self._ends[row])

    def _drain(self) -> None:
        events = self._capture.drain().events
        if not events.size:
            return
        before = self._connected.copy(), self._masked.copy()
        for event in events:
            index, kind = int(event["pv"]), int(event["kind"])
            self._connected[index] = kind != Kind.DISCONNECTED
            self._masked[index] = kind == Kind.SCALAR and event["value"] == 1
        different = (before[0] != self._connected) | (before[1] != self._masked)
        rows = {int(row) for row in np.unique(self._row_of[different])}
        if rows:
            self.changed.emit(rows)
