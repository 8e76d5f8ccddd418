"""One number against time: what the archive has, then as long as the screen has been open, at most an hour."""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np
import pyqtgraph
from numpy.typing import NDArray
from qtpy.QtCore import Qt
from qtpy.QtGui import QFont
from qtpy.QtWidgets import QVBoxLayout, QWidget

from opi.theme import PALETTE, TEXT_FONT, TEXT_PX
from opi.widgets.card import role_label

SPAN_S = 3600
LEAST_SPAN_S = 60.0
"""Time axis of a screen that was just opened."""


class LiveTrend(QWidget):
    """A line with its present value in the title. A time without value is a gap in the line."""

    def __init__(self, name: str, unit: str, decimals: int, colour: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._name = name
        self._unit = unit
        self._decimals = decimals
        self._live_from: float | None = None
        self._mark: pyqtgraph.InfiniteLine | None = None
        self._times: deque[float] = deque()
        self._values: deque[float] = deque()
        self._title = role_label(name, "soft", self)
        self.plot = pyqtgraph.PlotWidget(self, axisItems={"bottom": pyqtgraph.DateAxisItem(utcOffset=0)})
        item: Any = self.plot.getPlotItem()
        self._item = item
        prepare_plot(item)
        self._line = self.plot.plot(pen=pyqtgraph.mkPen(colour, width=1.5), connect="finite")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addWidget(self._title)
        layout.addWidget(self.plot, 1)

    def add(self, time_s: float, value: float, note: str = "") -> None:
        """Add one value; NaN makes a gap.

        Args:
            time_s: Unix time.
            value: in the unit of the trend.
            note: what is said beside the value.
        """
        while self._times and self._times[-1] >= time_s:  # a clock that stepped back, or history up to this second
            self._times.pop()
            self._values.pop()
        if self._live_from is None:
            self._live_from = time_s
            self._show_mark()
        self._times.append(time_s)
        self._values.append(value)
        while self._times[0] < time_s - SPAN_S:
            self._times.popleft()
            self._values.popleft()
        text = "no values" if value != value else f"{value:.{self._decimals}f} {self._unit}"
        self._title.setText(f"{self._name}: <b>{text}</b> {note}")
        self._draw()

    def add_history(self, times: NDArray[np.float64], values: NDArray[np.float64]) -> None:
        """Put older values in front, and a mark where live begins."""
        older = times < (self._times[0] if self._times else float("inf"))
        self._times.extendleft(reversed(times[older].tolist()))
        self._values.extendleft(reversed(values[older].tolist()))
        self._show_mark()
        self._draw()

    def _show_mark(self) -> None:
        """A mark, once there are values on both sides of it."""
        if self._mark is None and self._live_from is not None and self._times and self._times[0] < self._live_from:
            self._mark = live_mark(self._live_from)
            self._item.addItem(self._mark)

    def _draw(self) -> None:
        self._line.setData(np.array(self._times), np.array(self._values))
        if self._times:
            self._item.setXRange(min(self._times[0], self._times[-1] - LEAST_SPAN_S), self._times[-1], padding=0)

    @property
    def live_from(self) -> float | None:
        """Where the mark stands, Unix seconds; ``None`` while there are not values on both sides of it."""
        return None if self._mark is None else self._live_from

    @property
    def values(self) -> tuple[float, ...]:
        """What is drawn."""
        return tuple(self._values)


def live_mark(time_s: float) -> pyqtgraph.InfiniteLine:
    """A dashed line where values of the archive end and live ones begin."""
    return pyqtgraph.InfiniteLine(time_s, angle=90, pen=pyqtgraph.mkPen(PALETTE.text_soft, style=Qt.PenStyle.DashLine))


def prepare_plot(plot: Any) -> None:
    """The look of every plot: no buttons, no menu, thin grey axes with small numbers."""
    plot.setMenuEnabled(False)
    plot.hideButtons()
    plot.setMouseEnabled(x=False, y=False)
    font = QFont(TEXT_FONT)
    font.setPixelSize(TEXT_PX - 2)
    for name in ("left", "bottom"):
        axis = plot.getAxis(name)
        axis.setTickFont(font)
        axis.setPen(PALETTE.cell_border)
        axis.setTextPen(PALETTE.text_soft)
    plot.getAxis("left").setWidth(48)
    plot.showGrid(x=False, y=True, alpha=0.15)
