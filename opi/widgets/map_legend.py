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
_HEIGHT_PX = 20


class MapLegend(QWidget):
    """The grey scale with its ends and unit, then one sample of each look."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self._quantity: Quantity | None = None
        self._scale: Scale | None = None
        self._font = QFont(TEXT_FONT)
        self._font.setPixelSize(TEXT_PX - 1)

    def sizeHint(self) -> QSize:
        return QSize(400, _HEIGHT_PX)

    def show_scale(self, quantity: Quantity | None, scale: Scale | None) -> None:
        """Show the scale in use; without a quantity or a scale there is none."""
        self._quantity = quantity
        self._scale = scale
        self.update()

    def paintEvent(self, a0: QPaintEvent | None) -> None:
        painter = QPainter(self)
        painter.setFont(self._font)
        metrics = QFontMetricsF(self._font)
        x = self._paint_scale(painter, metrics) if self._quantity is not None and self._scale is not None else 0.0
        for text, cell in _SAMPLES:
            width = metrics.horizontalAdvance(text)
            draw_cell(painter, QRectF(x, 1, _SAMPLE_PX, _HEIGHT_PX - 2), cell, _GREY)
            painter.setFont(self._font)
            x = self._text(painter, x + _SAMPLE_PX + 3, width, text) + 9
        painter.end()

    def _paint_scale(self, painter: QPainter, metrics: QFontMetricsF) -> float:
        if self._quantity is None or self._scale is None:
            return 0.0
        low, high = f"{self._scale.low:g}", f"{self._scale.high:g} {self._quantity.unit}"
        x = self._text(painter, 0, metrics.horizontalAdvance(low), low) + 4
        bar = QRectF(x, 4, _GRADIENT_PX, _HEIGHT_PX - 8)
        gradient = QLinearGradient(bar.topLeft(), bar.topRight())
        gradient.setColorAt(0, QColor(PALETTE.cell_low))
        gradient.setColorAt(1, QColor(PALETTE.cell_high))
        painter.fillRect(bar, gradient)
        return self._text(painter, bar.right() + 4, metrics.horizontalAdvance(high), high) + 16

    def _text(self, painter: QPainter, x: float, width: float, text: str) -> float:
        painter.setPen(QColor(PALETTE.text_soft))
        painter.drawText(QRectF(x, 0, width + 2, _HEIGHT_PX), Qt.AlignmentFlag.AlignVCenter, text)
        return x + width
