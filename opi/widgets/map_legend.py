"""What the greys, outlines and glyphs of the heat map mean."""

# ruff: noqa: N802  (names of Qt and PyDM)
from __future__ import annotations

from qtpy.QtCore import QRectF, QSize, Qt
from qtpy.QtGui import QColor, QFont, QFontMetricsF, QLinearGradient, QPainter, QPaintEvent
from qtpy.QtWidgets import QSizePolicy, QWidget

from opi.cell import Cell, Look, Motion
from opi.detector import Quantity
from opi.scale import Scale
from opi.theme import PALETTE, TEXT_FONT, TEXT_PX
from opi.widgets.cell_painter import draw_cell
from sipmdcs.severity import Severity

_SAMPLES = (
    ("on", Cell(Look.VALUE, 0.0)),
    ("ramping", Cell(Look.VALUE, 0.0, motion=Motion.UP)),
    ("off", Cell(Look.OFF)),
    ("masked", Cell(Look.MASKED)),
    ("minor", Cell(Look.VALUE, 0.0, Severity.MINOR)),
    ("major", Cell(Look.VALUE, 0.0, Severity.MAJOR)),
    ("tripped", Cell(Look.TRIPPED)),
    ("error", Cell(Look.ERROR)),
    ("interlock", Cell(Look.INTERLOCKED)),
    ("invalid", Cell(Look.UNKNOWN)),
    ("disconnected", Cell(Look.LOST)),
    ("stale", Cell(Look.STALE)),
)
_GREY = Scale(-1.0, 1.0)
_SAMPLE_PX = 18
_GRADIENT_PX = 90
HEIGHT_PX = 20


class MapLegend(QWidget):
    """One sample of each look."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def sizeHint(self) -> QSize:
        return QSize(400, HEIGHT_PX)

    def paintEvent(self, a0: QPaintEvent | None) -> None:
        painter = QPainter(self)
        font = legend_font()
        metrics = QFontMetricsF(font)
        x = 0.0
        for text, cell in _SAMPLES:
            draw_cell(painter, QRectF(x, 1, _SAMPLE_PX, HEIGHT_PX - 2), cell, _GREY)
            painter.setFont(font)
            x = draw_legend_text(painter, x + _SAMPLE_PX + 3, metrics.horizontalAdvance(text), text) + 9
        painter.end()


class MapScale(QWidget):
    """The grey scale with its ends and unit."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        self._quantity: Quantity | None = None
        self._scale: Scale | None = None

    def sizeHint(self) -> QSize:
        return QSize(_GRADIENT_PX + 120, HEIGHT_PX)

    def show_scale(self, quantity: Quantity | None, scale: Scale | None) -> None:
        """Show the scale in use; without a quantity or a scale there is none."""
        self._quantity = quantity
        self._scale = scale
        self.update()

    def paintEvent(self, a0: QPaintEvent | None) -> None:
        if self._quantity is None or self._scale is None:
            return
        painter = QPainter(self)
        font = legend_font()
        painter.setFont(font)
        metrics = QFontMetricsF(font)
        low, high = f"{self._scale.low:g}", f"{self._scale.high:g} {self._quantity.unit}"
        x = draw_legend_text(painter, 0, metrics.horizontalAdvance(low), low) + 4
        bar = QRectF(x, 4, _GRADIENT_PX, HEIGHT_PX - 8)
        gradient = QLinearGradient(bar.topLeft(), bar.topRight())
        gradient.setColorAt(0, QColor(PALETTE.cell_low))
        gradient.setColorAt(1, QColor(PALETTE.cell_high))
        painter.fillRect(bar, gradient)
        draw_legend_text(painter, bar.right() + 4, metrics.horizontalAdvance(high), high)
        painter.end()


def legend_font() -> QFont:
    """Font of legends."""
    font = QFont(TEXT_FONT)
    font.setPixelSize(TEXT_PX - 1)
    return font


def draw_legend_text(painter: QPainter, x: float, width: float, text: str) -> float:
    """Draw ``text`` at ``x``; returns where it ends."""
    painter.setPen(QColor(PALETTE.text_soft))
    painter.drawText(QRectF(x, 0, width + 2, HEIGHT_PX), Qt.AlignmentFlag.AlignVCenter, text)
    return x + width
