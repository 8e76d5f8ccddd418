"""The whole detector followed through its waveforms: what the overview's widgets share."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from pydm.widgets.channel import PyDMChannel
from qtpy.QtCore import QObject

from opi.controller_watch import ControllerWatch
from opi.detector import ChannelNames, Detector, Quantity
from opi.detector_state import DetectorState, detector_state
from opi.link_watch import Link
from opi.mask_watch import MaskWatch
from opi.qt_signal import Signal
from opi.timer import make_timer

GATHER_MS = 250
"""Updates of one poll come within this time and are told once."""
AGE_MS = 1000
"""How often the links are looked at again: silence sends no signal, and a row becomes stale by silence."""


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums over the channels that have a present value and are not masked."""

    current: float
    """µA; NaN if no channel has a value."""
    temperature: float
    """Mean, °C; NaN if no channel has a value."""
    currents: int
    """How many channels the current is the sum of."""
    temperatures: int
    """How many channels the temperature is the mean of; a sensor may fail alone."""
    expected: int
    """How many there would be were all controllers there."""


class DetectorWatch(QObject):
    """All controllers."""

    changed = Signal(set)
    """Indices of controllers that have news."""

    def __init__(self, detector: Detector, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.detector = detector
        self._masks = MaskWatch(detector.rows, self)
        self._masks.changed.connect(self._note_masks)
        self.controllers = [
            ControllerWatch(row, self._masks.connected(index), self._masks.masked(index), self)
            for index, row in enumerate(detector.rows)
        ]
        self._index = {watch: index for index, watch in enumerate(self.controllers)}
        self._news: set[int] = set()
        self._gather = make_timer(self, GATHER_MS, self._tell, once=True)
        self._states = [detector_state(watch.cells(None)) for watch in self.controllers]
        self._summaries = [watch.summary().shown for watch in self.controllers]
        for watch in self.controllers:
            watch.changed.connect(self._note)
        self._ageing = make_timer(self, AGE_MS, self._look)

    def state(self) -> DetectorState:
        """Counts over all channels, as of the last ``changed``."""
        return sum(self._states, DetectorState())

    def totals(self) -> Totals:
        """Total current and mean temperature."""
        current = np.concatenate([watch.values(Quantity.CURRENT)[watch.used()] for watch in self.controllers])
        temperature = np.concatenate([watch.values(Quantity.TEMP)[watch.used()] for watch in self.controllers])
        current, temperature = current[np.isfinite(current)], temperature[np.isfinite(temperature)]
        masked = sum(watch.masked_count() for watch in self.controllers)
        return Totals(
            float(current.sum()) if current.size else float("nan"),
            float(temperature.mean()) if temperature.size else float("nan"),
            int(current.size),
            int(temperature.size),
            self.detector.channel_count - masked,
        )

    def counted_channels(self) -> list[ChannelNames]:
        """Channels that sums should be of: all that are not known to be masked, whether they answer now or not."""
        return [watch.row.channel(int(index)) for watch in self.controllers for index in np.flatnonzero(~watch.masked())]

    def settled(self) -> bool:
        """Every IOC has answered, and every controller been polled since the screen was opened, or does not answer."""
        return not any(watch.link() in (Link.LOST, Link.WAITING) for watch in self.controllers)

    def connected_count(self) -> tuple[int, int]:
        """PVs that are connected, and all."""
        counts = [watch.connected_count() for watch in self.controllers]
        return sum(connected for connected, _ in counts), sum(every for _, every in counts)

    def channels(self) -> list[PyDMChannel]:
        """For PyDM's tools."""
        return [channel for watch in self.controllers for channel in watch.channels()]

    def close(self) -> None:
        """Stop following."""
        self._ageing.stop()
        self._gather.stop()
        self._masks.close()
        for watch in self.controllers:
            watch.close()

    def _note_masks(self, rows: set[int]) -> None:
        self._news |= rows
        if not self._gather.isActive():
            self._gather.start()

    def _note(self) -> None:
        sender = self.sender()
        if isinstance(sender, ControllerWatch):
            self._news.add(self._index[sender])
            if not self._gather.isActive():
                self._gather.start()

    def _tell(self) -> None:
        self._gather.stop()
        news, self._news = self._news, set()
        for index in news:
            self._states[index] = detector_state(self.controllers[index].cells(None))
            self._summaries[index] = self.controllers[index].summary().shown
        self.changed.emit(news)

    def _look(self) -> None:
        """See who became stale, or is staler than shown."""
        for index, watch in enumerate(self.controllers):
            if watch.summary().shown != self._summaries[index]:
                self._news.add(index)
        if self._news:
            self._tell()
