"""Everything the overview needs of one controller: its state PVs and the waveforms of its channels."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from pydm.widgets.channel import PyDMChannel
from qtpy.QtCore import QObject

from opi.cell import Cell, Look, channel_cell
from opi.detector import ControllerRow, Quantity
from opi.link_watch import Link, LinkWatch
from opi.pv_watch import PvWatch
from opi.qt_signal import Signal
from sipmdcs.channelstate import ChannelState
from sipmdcs.severity import Severity


@dataclass(frozen=True, slots=True)
class ControllerSummary:
    """What the row of a controller says besides its cells."""

    link: Link
    age_s: float
    """Seconds since the last poll; infinite if there was none."""
    state: ChannelState | None
    on: int | None
    tripped: int | None
    severity: Severity

    @property
    def shown(self) -> ControllerSummary:
        """What is painted of it: the age only where the values are stale, in whole seconds."""
        return replace(self, age_s=float(round(self.age_s)) if self.link is Link.STALE else 0.0)


class ControllerWatch(QObject):
    """The PVs of one controller."""

    changed = Signal()

    def __init__(
        self, row: ControllerRow, cabled: NDArray[np.bool_], masked: NDArray[np.bool_], parent: QObject | None = None
    ) -> None:
        """Follow a controller.

        Args:
            row: the controller.
            cabled: which channels have PVs; changed in place.
            masked: which are known bad; changed in place.
            parent: as Qt has it.
        """
        super().__init__(parent)
        self.row = row
        self._cabled = cabled
        self._masked = masked
        self._link = LinkWatch(row.prefix, self)
        self._link.changed.connect(self.changed)
        self._state = self._watch(row.pv("STATE"))
        self._on = self._watch(row.pv("N_ON"))
        self._tripped = self._watch(row.pv("N_TRIPPED"))
        self._states = self._watch(row.waveform("STATE"))
        self._severities = self._watch(row.waveform("SEVERITY"))
        self._values = {quantity: self._watch(row.waveform(quantity.suffix)) for quantity in Quantity}

    def link(self) -> Link:
        """Whether the values are the present ones."""
        return self._link.link

    def summary(self) -> ControllerSummary:
        """The row's own text."""
        link = self.link()
        age = self._link.age_s
        if link in (Link.LOST, Link.STALE, Link.WAITING):
            return ControllerSummary(link, age, None, None, None, Severity.INVALID)
        return ControllerSummary(
            link, age, _state(self._state.value), self._on.value, self._tripped.value, self._state.severity
        )

    def cells(self, quantity: Quantity | None) -> list[Cell]:
        """All channels as they are to be drawn.

        Args:
            quantity: what to code as luminance; ``None`` shows states only.
        """
        link = self.link()
        if link is not Link.LIVE:
            return [Cell(Look.STALE if link in (Link.STALE, Link.WAITING) else Look.LOST)] * self.row.channels
        states = self._array(self._states)
        severities = self._array(self._severities)
        values = states if quantity is None else self.values(quantity)
        return [
            channel_cell(
                _state(states[index]),
                values[index],
                _severity(severities[index]),
                masked=bool(self._masked[index]),
                cabled=self.is_cabled(index),
            )
            for index in range(self.row.channels)
        ]

    def values(self, quantity: Quantity) -> NDArray[np.float64]:
        """One quantity of all channels; NaN where there is no present value."""
        watch = self._values[quantity]
        if self.link() is not Link.LIVE or watch.severity is Severity.INVALID:
            return np.full(self.row.channels, np.nan)
        return self._array(watch)

    def used(self) -> NDArray[np.bool_]:
        """Which channels count in sums: cabled and not masked."""
        return self._cabled & ~self._masked

    def masked(self) -> NDArray[np.bool_]:
        """Which channels are known bad."""
        return self._masked.copy()

    def masked_count(self) -> int:
        """Channels known bad."""
        return int(self.masked().sum())

    def is_cabled(self, index: int) -> bool:
        """Whether a channel has PVs; asked only while the controller's own PVs are there."""
        return bool(self._cabled[index])

    def state_of(self, index: int) -> ChannelState | None:
        """State of one channel, ``None`` if it is not known now."""
        return _state(self._array(self._states)[index]) if self.link() is Link.LIVE else None

    def severity_of(self, index: int) -> Severity:
        """Worst severity of one channel; INVALID if it is not known now."""
        return _severity(self._array(self._severities)[index]) if self.link() is Link.LIVE else Severity.INVALID

    def channels(self) -> list[PyDMChannel]:
        """For PyDM's tools."""
        return [channel for watch in self._all() for channel in watch.channels()]

    def connected_count(self) -> tuple[int, int]:
        """PVs that are connected, and all."""
        watches = self._all()
        return sum(watch.connected for watch in watches) + int(self._cabled.sum()), len(watches) + self.row.channels

    def close(self) -> None:
        """Stop following."""
        for watch in self._all():
            watch.close()

    def _all(self) -> list[PvWatch]:
        return self.findChildren(PvWatch)

    def _watch(self, name: str) -> PvWatch:
        watch = PvWatch(name, self)
        watch.changed.connect(self.changed)
        return watch

    def _array(self, watch: PvWatch) -> NDArray[np.float64]:
        """Values of a waveform, NaN where it is short: an IOC that has not polled yet sends an empty one."""
        out = np.full(self.row.channels, np.nan)
        if watch.value is not None:
            # A waveform of one element arrives as a number.
            have = np.atleast_1d(np.asarray(watch.value, dtype=float))[: out.size]
            out[: have.size] = have
        return out


def _state(number: float | None) -> ChannelState | None:
    if number is None or number != number or not 0 <= number < len(ChannelState):
        return None
    return ChannelState(int(number))


def _severity(number: float) -> Severity:
    if number != number:
        return Severity.INVALID
    return Severity(min(max(int(number), 0), 3))
