"""The heat map of the detector: one painted cell per channel, one line per controller."""

# ruff: noqa: N802  (names of Qt and PyDM)
from __future__ import annotations

import numpy as np
from pydm.widgets.channel import PyDMChannel
from qtpy.QtCore import QEvent, QRectF, QSize, Qt
from qtpy.QtGui import (
    QColor,
    QFocusEvent,
    QFont,
    QFontMetricsF,
    QHelpEvent,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QResizeEvent,
)
from qtpy.QtWidgets import QSizePolicy, QWidget

from opi.cell import Cell, Look, Motion
from opi.detector import ChannelNames, Quantity
from opi.detector_watch import DetectorWatch
from opi.link_watch import Link
from opi.qt_signal import Signal
from opi.scale import Scale, fit_scale
from opi.theme import PALETTE, TEXT_FONT, TEXT_PX
from opi.widgets.cell_painter import draw_cell
from opi.widgets.controller_text import draw_controller_text
from opi.widgets.map_layout import Line, MapLayout, Rect, lay_out
from opi.widgets.plain_text import show_plain_tip

_STEPS: dict[int | None, tuple[int, int]] = {
    Qt.Key.Key_Left: (-1, 0),
    Qt.Key.Key_Right: (1, 0),
    Qt.Key.Key_Up: (0, -1),
    Qt.Key.Key_Down: (0, 1),
}
"""Columns and lines that a key goes."""


class ChannelMap(QWidget):
    """Cells painted from the waveforms of each controller. Values of controllers that do not answer are never painted."""

    channel_clicked = Signal(str, str)
    """Prefix of the controller and name of the channel."""
    scale_changed = Signal()

    def __init__(self, watch: DetectorWatch, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self._cursor = (0, 0)
        self._cursor_shown = False
        self._pressed: tuple[int, int] | None = None
        """Controller and channel under the mouse button that is held down."""
        self.quantity: Quantity | None = Quantity.VMON
        self.scale: Scale | None = None
        self._watches = watch.controllers
        self._rows = watch.detector.rows
        self._cells: list[list[Cell]] = [controller.cells(self.quantity) for controller in self._watches]
        self._summaries = [controller.summary() for controller in self._watches]
        self._layout = self._lay_out()
        self._watch = watch
        watch.changed.connect(self._refresh)

    def sizeHint(self) -> QSize:
        return QSize(820, 480)

    def show_quantity(self, quantity: Quantity | None) -> None:
        """Code another quantity as luminance; ``None`` shows states only."""
        self.quantity = quantity
        self.scale = None
        self._refresh(set(range(len(self._watches))))
        self.update()
        self.scale_changed.emit()

    def cell(self, row: int, channel: int) -> Cell:
        """What is painted for a channel."""
        return self._cells[row][channel]

    def cell_rect(self, row: int, channel: int) -> QRectF:
        """Where it is painted."""
        line = next(line for line in self._layout.lines if line.row == row and line.first <= channel < line.first + line.count)
        return _rect(self._layout.cell(line, channel))

    def channels(self) -> list[PyDMChannel]:
        """For PyDM's tools."""
        return self._watch.channels()

    def _refresh(self, rows: set[int]) -> None:
        changed: set[int] = set()
        for row in rows:
            cells, summary = self._watches[row].cells(self.quantity), self._watches[row].summary()
            if cells != self._cells[row] or summary.shown != self._summaries[row].shown:
                changed.add(row)
            self._cells[row], self._summaries[row] = cells, summary
        self._fit_scale()
        for line in self._layout.lines:
            if line.row in changed:
                self.update(_rect(line.bounds).toAlignedRect())

    def _fit_scale(self) -> None:
        if self.quantity is None:
            return
        cells = [cell for row in self._cells for cell in row if cell.look is Look.VALUE]
        # A ramp from zero would stretch the scale until nothing else could be told apart.
        steady = [cell.value for cell in cells if cell.motion is Motion.STILL] or [cell.value for cell in cells]
        scale = fit_scale(np.array(steady), self.quantity.smallest_span, self.scale)
        if scale != self.scale:
            self.scale = scale
            self.update()
            self.scale_changed.emit()

    def _lay_out(self) -> MapLayout:
        metrics = QFontMetricsF(_font(TEXT_PX))
        label_px = max((metrics.horizontalAdvance(row.name) for row in self._rows), default=0.0) + 8
        return lay_out(self._rows, self.width(), self.height(), label_px)

    def resizeEvent(self, a0: QResizeEvent | None) -> None:
        self._layout = self._lay_out()
        self.update()

    def paintEvent(self, a0: QPaintEvent | None) -> None:
        painter = QPainter(self)
        region = QRectF(self.rect()) if a0 is None else QRectF(a0.rect())
        self._paint_frame(painter)
        for line in self._layout.lines:
            if _rect(line.bounds).intersects(region):
                self._paint_line(painter, line)
        if self._cursor_shown:
            painter.setPen(QPen(QColor(PALETTE.text), 2))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRect(self.cell_rect(*self._cursor).adjusted(1, 1, -1, -1))
        painter.end()

    def _paint_frame(self, painter: QPainter) -> None:
        """Subsystem names and channel numbers."""
        painter.setPen(QColor(PALETTE.text_soft))
        painter.setFont(_font(TEXT_PX - 1, bold=True))
        for heading in self._layout.headings:
            painter.drawText(_rect(heading.place), Qt.AlignmentFlag.AlignVCenter, heading.text)
        painter.setFont(_font(TEXT_PX - 3))
        every = 1 if self._layout.cell_width >= 14 else 4
        for numbers in self._layout.numbers:
            for column in range(0, self._layout.columns, every):
                x = numbers.place.x + column * self._layout.cell_width
                place = QRectF(x, 0, max(self._layout.cell_width, 14), numbers.place.height)
                painter.drawText(place, Qt.AlignmentFlag.AlignCenter, str(column + 1))

    def _paint_line(self, painter: QPainter, line: Line) -> None:
        for channel in range(line.first, line.first + line.count):
            draw_cell(painter, _rect(self._layout.cell(line, channel)), self._cells[line.row][channel], self.scale)
        if line.first:
            return
        row = self._rows[line.row]
        painter.setFont(_font(min(TEXT_PX, round(line.label.height) - 1)))
        painter.setPen(QColor(PALETTE.text))
        painter.drawText(_rect(line.label), Qt.AlignmentFlag.AlignVCenter, row.name)
        draw_controller_text(painter, _rect(line.info), self._summaries[line.row], row.channels, wide=self._layout.wide_info)

    def event(self, a0: QEvent | None) -> bool:
        if isinstance(a0, QHelpEvent):
            show_plain_tip(a0.globalPos(), self.describe(a0.pos().x(), a0.pos().y()), self)
            return True
        return super().event(a0)

    def mouseMoveEvent(self, a0: QMouseEvent | None) -> None:
        if a0 is not None:
            over = self._layout.at(a0.position().x(), a0.position().y()) is not None
            self.setCursor(Qt.CursorShape.PointingHandCursor if over else Qt.CursorShape.ArrowCursor)

    def mousePressEvent(self, a0: QMouseEvent | None) -> None:
        self._pressed = None
        if a0 is not None and a0.button() is Qt.MouseButton.LeftButton:
            self._pressed = self._layout.at(a0.position().x(), a0.position().y())

    def mouseReleaseEvent(self, a0: QMouseEvent | None) -> None:
        """Open the channel that was pressed, if the mouse is released over that same one."""
        if a0 is None or a0.button() is not Qt.MouseButton.LeftButton:
            return
        pressed, self._pressed = self._pressed, None
        if pressed is not None and pressed == self._layout.at(a0.position().x(), a0.position().y()):
            names = self._names(*pressed)
            self.channel_clicked.emit(names.controller, names.channel)

    def focusInEvent(self, a0: QFocusEvent | None) -> None:
        """Show where the keys are, but only to who uses them: Qt gives a new window's focus to its first widget."""
        self._show_cursor(a0 is not None and a0.reason() in (Qt.FocusReason.TabFocusReason, Qt.FocusReason.BacktabFocusReason))
        super().focusInEvent(a0)

    def focusOutEvent(self, a0: QFocusEvent | None) -> None:
        """Hide it."""
        self._show_cursor(False)
        super().focusOutEvent(a0)

    def _show_cursor(self, shown: bool) -> None:
        self._cursor_shown = shown
        self.update()

    def keyPressEvent(self, a0: QKeyEvent | None) -> None:
        """Arrow keys go from cell to cell and tell what the tool tip does, Return opens the faceplate."""
        key = None if a0 is None else a0.key()
        if key in _STEPS:
            self._cursor = self._layout.neighbour(*self._cursor, *_STEPS[key])
            self._cursor_shown = True
            self.update()
            centre = self.cell_rect(*self._cursor).center()
            show_plain_tip(self.mapToGlobal(centre.toPoint()), self.describe(centre.x(), centre.y()), self)
        elif key in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            names = self._names(*self._cursor)
            self.channel_clicked.emit(names.controller, names.channel)
        else:
            super().keyPressEvent(a0)

    def describe(self, x: float, y: float) -> str:
        """What the tool tip says about a point: the channel there with all its values, or the controller."""
        found = self._layout.at(x, y)
        if found is None:
            row = self._layout.row_at(x, y)
            return "" if row is None else self._describe_controller(row)
        row, channel = found
        watch = self._watches[row]
        lines = [self._names(row, channel).prefix]
        if watch.link() is not Link.LIVE:
            return "\n".join([*lines, f"{watch.link().value}; no present values"])
        if not watch.is_cabled(channel):
            return "\n".join([*lines, "not cabled"])
        state = watch.state_of(channel)
        severity = watch.severity_of(channel)
        masked = "" if watch.used()[channel] else ", masked"
        lines.append(f"{'state unknown' if state is None else state.name}{masked}, severity {severity.name}")
        for quantity in Quantity:
            value = watch.values(quantity)[channel]
            text = quantity.text(value) if value == value else "no valid value"
            lines.append(f"{quantity.label}: {text}")
        return "\n".join(lines)

    def _describe_controller(self, row: int) -> str:
        summary = self._watches[row].summary()
        state = "" if summary.state is None else f", {summary.state.name}"
        age = "" if summary.age_s == float("inf") else f"\nlast poll {summary.age_s:.0f} s ago"
        return f"{self._rows[row].prefix}\n{summary.link.value}{state}{age}"

    def _names(self, row: int, channel: int) -> ChannelNames:
        return self._rows[row].channel(channel)


def _rect(rect: Rect) -> QRectF:
    return QRectF(rect.x, rect.y, rect.width, rect.height)


def _font(pixels: int, *, bold: bool = False) -> QFont:
    font = QFont(TEXT_FONT)
    font.setPixelSize(max(pixels, 6))
    font.setBold(bold)
    return font
