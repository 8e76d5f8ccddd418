"""One number against time: what the archive has, then as long as the screen has been open, at most an hour."""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np
import pyqtgraph
from numpy.typing import NDArray
from qtpy.QtCore import Qt
from qtpy.QtGui import QFont
from qtpy.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from opi.archive_samples import lone
from opi.history import Past
from opi.theme import PALETTE, TEXT_FONT, TEXT_PX
from opi.widgets.card import role_label

SPAN_S = 3600
LEAST_SPAN_S = 60.0
"""Time axis of a screen that was just opened."""


class LiveTrend(QWidget):
    """A line with its present value in the title. A time without value is a gap in the line.

    Where a value is of fewer channels than it should be, the line is dotted and the title says of how many.
    """

    def __init__(self, name: str, unit: str, decimals: int, colour: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._unit = unit
        self._decimals = decimals
        self._live_from: float | None = None
        self._mark: pyqtgraph.InfiniteLine | None = None
        self._times: deque[float] = deque()
        self._values: deque[float] = deque()
        self._whole: deque[bool] = deque()
        self._part_of = ""
        self._past = ""
        self._title = role_label(name, "soft", self)
        self._present = role_label("", "value", self)
        self._note = role_label("", "soft", self)
        heading = QHBoxLayout()
        for label in (self._title, self._present, self._note):
            heading.addWidget(label)
        heading.addStretch(1)
        self.plot = pyqtgraph.PlotWidget(self, axisItems={"bottom": pyqtgraph.DateAxisItem(utcOffset=0)})
        item: Any = self.plot.getPlotItem()
        self._item = item
        prepare_plot(item)
        self._line = self.plot.plot(pen=pyqtgraph.mkPen(colour, width=1.5), connect="finite")
        dotted = pyqtgraph.mkPen(colour, width=1.5, style=Qt.PenStyle.DotLine)
        self._part = self.plot.plot(pen=dotted, connect="finite")
        self._points = lone_points(colour)
        self.plot.addItem(self._points)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addLayout(heading)
        layout.addWidget(self.plot, 1)

    def add(self, time_s: float, value: float, channels: int = 0, expected: int = 0) -> None:
        """Add one value; NaN makes a gap.

        Args:
            time_s: Unix time.
            value: in the unit of the trend.
            channels: of how many it is.
            expected: of how many it should be.
        """
        while self._times and self._times[-1] >= time_s:  # a clock that stepped back, or history up to this second
            for line in (self._times, self._values, self._whole):
                line.pop()
        if self._live_from is None:
            self._live_from = time_s
            self._show_mark()
        self._times.append(time_s)
        self._values.append(value)
        self._whole.append(channels == expected)
        while self._times[0] < time_s - SPAN_S:
            for line in (self._times, self._values, self._whole):
                line.popleft()
        text = "no values" if value != value else f"{value:.{self._decimals}f} {self._unit}"
        self._part_of = "" if channels == expected else f"from {channels} of {expected} channels"
        self._present.setText(text)
        self._draw()

    def add_history(self, past: Past, expected: int) -> None:
        """Put older values in front, and a mark where live begins.

        Args:
            past: what the archive knows.
            expected: of how many channels its values should be.
        """
        older = past.times < (self._times[0] if self._times else float("inf"))
        counts = past.counts[older]
        self._times.extendleft(reversed(past.times[older].tolist()))
        self._values.extendleft(reversed(past.values[older].tolist()))
        self._whole.extendleft(reversed((counts == expected).tolist()))
        known = counts[counts > 0]
        if np.any(known != expected):
            few, many = int(known.min()), int(known.max())
            self._past = f"before: from {few if few == many else f'{few} to {many}'} of {expected} channels"
        self._show_mark()
        self._draw()

    def _show_mark(self) -> None:
        """A mark, once there are values on both sides of it."""
        if self._mark is None and self._live_from is not None and self._times and self._times[0] < self._live_from:
            self._mark = live_mark(self._live_from)
            self._item.addItem(self._mark)

    def _draw(self) -> None:
        times, values, whole = np.array(self._times), np.array(self._values), np.array(self._whole, np.bool_)
        self._line.setData(times, np.where(whole, values, np.nan))
        # With the whole values beside it, so that the line does not break where it changes its kind.
        beside = np.r_[~whole[1:], False] | np.r_[False, ~whole[:-1]]
        self._part.setData(times, np.where(whole & ~beside, np.nan, values))
        show_lone(self._points, times, values)
        self._note.setText(" · ".join(part for part in (self._part_of, self._past) if part))
        if self._times:
            self._item.setXRange(min(self._times[0], self._times[-1] - LEAST_SPAN_S), self._times[-1], padding=0)

    @property
    def live_from(self) -> float | None:
        """Where the mark stands, Unix seconds; ``None`` while there are not values on both sides of it."""
        return None if self._mark is None else self._live_from

    @property
    def title(self) -> str:
        """What is said above the line."""
        return " ".join(label.text() for label in (self._title, self._present, self._note) if label.text())

    @property
    def values(self) -> tuple[float, ...]:
        """What is drawn."""
        return tuple(self._values)


def lone_points(colour: str) -> pyqtgraph.ScatterPlotItem:
    """For values that no line leads to."""
    return pyqtgraph.ScatterPlotItem(size=4, pen=None, brush=pyqtgraph.mkBrush(colour))


def show_lone(points: pyqtgraph.ScatterPlotItem, times: NDArray[np.float64], values: NDArray[np.float64]) -> None:
    """Draw those of the values."""
    alone = lone(values)
    points.setData(times[alone], values[alone])


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
