"""History from the archive and live values of one PV in one plot, with a mark where live begins."""

# ruff: noqa: N802  (names of Qt and PyDM)
from __future__ import annotations

import time
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydm.widgets.archiver_time_plot import ArchivePlotCurveItem, PyDMArchiverTimePlot
from pydm.widgets.timeplot import UpdateMode
from qtpy.QtGui import QColor
from qtpy.QtWidgets import QWidget

from opi.qt_signal import Signal
from opi.theme import PALETTE
from opi.timer import make_timer
from opi.widgets.live_trend import live_mark, lone_points, prepare_plot, show_lone

RETRY_MS = 10_000
"""After a failed request; the archiver may just be starting."""
RAW_SPAN_S = 3600
"""Longer spans are asked for in bins."""
BINS = 800
"""About one per pixel."""
_RAW_SHARE = 0.8
"""PyDM asks for raw samples while the span in seconds is below this part of the archive buffer's length."""


class TrendCurve(ArchivePlotCurveItem):
    """PyDM's curve, whose archive buffer grows with what comes; PyDM's own fails on more than 18,000 samples."""

    live_began = Signal(float)
    """Time of the first live value, Unix seconds."""

    def receiveArchiveData(self, data: NDArray[np.float64]) -> None:
        """Take the archive's answer over, whatever its length."""
        if self.points_accumulated:
            data = data[:, data[0] <= self.min_x()]
        columns = data.shape[1]
        if columns == 0:
            self.archive_data_received_signal.emit()
            return
        if columns > self.getArchiveBufferSize():
            self.setArchiveBufferSize(columns)
        # PyDM would add an answer that lies behind the last one to the live values; an answer replaces what was there.
        self.initializeArchiveBuffer()
        super().receiveArchiveData(data)

    def receiveNewValue(self, new_value: float) -> None:
        """Note when the first one comes."""
        first = self.latest_value is None or self.latest_value != self.latest_value
        super().receiveNewValue(new_value)
        if first:
            self.live_began.emit(time.time())


class TrendPlot(PyDMArchiverTimePlot):
    """The last so many seconds of one PV, moving with time."""

    live_began = Signal()
    """``live_from`` is known."""
    archive_answered = Signal()
    """``archive_failed`` is known anew."""

    def __init__(self, pv: str, colour: str, span_s: float, parent: QWidget | None = None) -> None:
        super().__init__(parent=parent, background=PALETTE.plot, optimized_data_bins=BINS)
        self.archive_failed = False
        """Whether the archive did not give what it was last asked for."""
        self.setShowLegend(False)
        self.plotItem.getAxis("bottom").utcOffset = 0
        self._live_from: float | None = None
        self._points = lone_points(colour)
        self._mark = live_mark(0.0)
        self._mark.setVisible(False)
        # A steady value goes on as a line; the other mode draws changes only.
        self.setUpdateMode(UpdateMode.AtFixedRate)
        self.show_span(span_s)
        curve: Any = self.addYChannel(f"ca://{pv}", color=QColor(colour), lineWidth=1)
        self.curve: TrendCurve = curve
        prepare_plot(self.plotItem)  # its left axis exists only now
        self.plotItem.addItem(self._mark)
        self.plotItem.addItem(self._points)
        self.curve.archive_channel_connection.connect(self._note_answer)
        self.curve.live_began.connect(self._mark_live)
        self._retry = make_timer(self, RETRY_MS, self._ask_again, once=True)

    def createCurveItem(self, *args: Any, **kwargs: Any) -> TrendCurve:
        """Our kind of curve, connected as PyDM does its own."""
        curve = TrendCurve(*args, **kwargs)
        curve.archive_data_received_signal.connect(self.archive_data_received)
        return curve

    def getArchiveBufferSize(self) -> int:
        """What PyDM derives the longest span from that it asks raw samples for; it has nothing to do with room."""
        return int(RAW_SPAN_S / _RAW_SHARE)

    def show_span(self, span_s: float) -> None:
        """Show the last ``span_s`` seconds."""
        self.setTimeSpan(span_s)
        self._min_x = time.time() - span_s
        self.updateXAxis(update_immediately=True)
        if self._curves:
            self.requestDataFromArchiver()

    def updateXAxis(self, update_immediately: bool = False) -> None:
        """Keep now at the right edge. PyDM's own way asks the archive on every scroll and changes the span by itself."""
        now = time.time()
        self.plotItem.setXRange(now - self.getTimeSpan(), now, padding=0, update=update_immediately)

    def archive_data_received(self) -> None:
        """Draw at once, bins between two gaps as points."""
        archived = self.curve.archive_data_buffer[:, -self.curve.archive_points_accumulated :]
        if self.curve.archive_points_accumulated:
            show_lone(self._points, archived[0], archived[1])
        else:
            self._points.clear()
        self.set_needs_redraw()

    @property
    def live_from(self) -> float | None:
        """Where the mark stands, Unix seconds; ``None`` while there is no live value."""
        return self._live_from

    def _mark_live(self, when: float) -> None:
        if self._live_from is None:
            self._live_from = when
            self._mark.setPos(when)
            self._mark.setVisible(True)
            self.live_began.emit()

    def _note_answer(self, good: bool) -> None:
        self.archive_failed = not good
        self.archive_answered.emit()
        if not good and not self._retry.isActive():
            self._retry.start()

    def _ask_again(self) -> None:
        self._min_x = time.time() - self.getTimeSpan()
        self.requestDataFromArchiver()
