"""A value among its limits: a bar with the alarm limits marked on it."""

# ruff: noqa: N802  (names of Qt and PyDM)
from __future__ import annotations

import math
from typing import Any

from pydm.widgets.channel import PyDMChannel
from qtpy.QtCore import QPointF, QRectF, QSize, Qt
from qtpy.QtGui import QColor, QFont, QPainter, QPaintEvent, QPen, QPolygonF
from qtpy.QtWidgets import QSizePolicy, QWidget

from opi.limit_scale import Limits, bar_range
from opi.theme import PALETTE, TEXT_FONT, TEXT_PX

_BAR_TOP = 5
_BAR_HEIGHT = 9
_SIDE = 6
"""Room for the pointer at both ends."""


class LimitBar(QWidget):
    """Follows one PV with its limits as the server gives them, so that a changed limit shows at once."""

    def __init__(self, pv: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.limits = Limits()
        self.value = math.nan
        self._display = (0.0, 0.0)
        self.connected = False
        self._channel = PyDMChannel(
            address=f"ca://{pv}",
            connection_slot=self._set_connected,
            value_slot=self._set_value,
            lower_ctrl_limit_slot=self._set_bottom,
            upper_ctrl_limit_slot=self._set_top,
            lower_alarm_limit_slot=self._set_lolo,
            lower_warning_limit_slot=self._set_low,
            upper_warning_limit_slot=self._set_high,
            upper_alarm_limit_slot=self._set_hihi,
        )
        self._channel.connect()

    def sizeHint(self) -> QSize:
        return QSize(220, 30)

    def channels(self) -> list[PyDMChannel]:
        """For PyDM's tools."""
        return [self._channel]

    def close_channels(self) -> None:
        """Stop following."""
        self._channel.disconnect()

    @property
    def range(self) -> tuple[float, float] | None:
        """Ends of the bar."""
        return bar_range(self.limits, self._display)

    def paintEvent(self, a0: QPaintEvent | None) -> None:
        ends = self.range
        if ends is None or not self.connected:
            return
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        bar = QRectF(_SIDE, _BAR_TOP, self.width() - 2 * _SIDE, _BAR_HEIGHT)
        painter.fillRect(bar, QColor(PALETTE.bar_track))
        self._paint_normal(painter, bar, ends)
        self._paint_marks(painter, bar, ends)
        self._paint_pointer(painter, bar, ends)
        self._paint_ends(painter, bar, ends)
        painter.end()

    def _x(self, bar: QRectF, ends: tuple[float, float], value: float) -> float:
        fraction = (value - ends[0]) / (ends[1] - ends[0])
        return bar.left() + bar.width() * min(max(fraction, 0.0), 1.0)

    def _paint_normal(self, painter: QPainter, bar: QRectF, ends: tuple[float, float]) -> None:
        low = next((limit for limit in (self.limits.low, self.limits.lolo) if not math.isnan(limit)), ends[0])
        high = next((limit for limit in (self.limits.high, self.limits.hihi) if not math.isnan(limit)), ends[1])
        left = self._x(bar, ends, low)
        painter.fillRect(QRectF(left, bar.top(), self._x(bar, ends, high) - left, bar.height()), QColor(PALETTE.bar_normal))

    def _paint_marks(self, painter: QPainter, bar: QRectF, ends: tuple[float, float]) -> None:
        marks = (
            (self.limits.lolo, PALETTE.major),
            (self.limits.low, PALETTE.minor_border),
            (self.limits.high, PALETTE.minor_border),
            (self.limits.hihi, PALETTE.major),
        )
        for limit, colour in marks:
            if not math.isnan(limit):
                x = self._x(bar, ends, limit)
                painter.setPen(QPen(QColor(colour), 1.5))
                painter.drawLine(QPointF(x, bar.top() - 3), QPointF(x, bar.bottom() + 3))

    def _paint_pointer(self, painter: QPainter, bar: QRectF, ends: tuple[float, float]) -> None:
        if math.isnan(self.value):
            return
        x = self._x(bar, ends, self.value)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(PALETTE.live))
        if ends[0] <= self.value <= ends[1]:
            painter.drawRect(QRectF(x - 1.5, bar.top() - 3, 3, bar.height() + 6))
        else:
            # Beyond the end: an arrow that points to where the value is.
            out = 6 if self.value > ends[1] else -6
            tip = QPointF(x + out, bar.center().y())
            painter.drawPolygon(QPolygonF([tip, QPointF(x, bar.top() - 2), QPointF(x, bar.bottom() + 2)]))

    def _paint_ends(self, painter: QPainter, bar: QRectF, ends: tuple[float, float]) -> None:
        font = QFont(TEXT_FONT)
        font.setPixelSize(TEXT_PX - 3)
        painter.setFont(font)
        painter.setPen(QColor(PALETTE.text_soft))
        below = QRectF(bar.left() - _SIDE, bar.bottom() + 3, bar.width() + 2 * _SIDE, self.height() - bar.bottom() - 3)
        painter.drawText(below, Qt.AlignmentFlag.AlignLeft, f"{ends[0]:g}")
        painter.drawText(below, Qt.AlignmentFlag.AlignRight, f"{ends[1]:g}")

    def _set_connected(self, connected: bool) -> None:
        self.connected = connected
        self.update()

    def _set_value(self, value: float) -> None:
        self.value = float(value)
        self.update()

    def _set_bottom(self, limit: float) -> None:
        self._display = (float(limit), self._display[1])

    def _set_top(self, limit: float) -> None:
        self._display = (self._display[0], float(limit))

    def _set_lolo(self, limit: float) -> None:
        self._set_limit(lolo=limit)

    def _set_low(self, limit: float) -> None:
        self._set_limit(low=limit)

    def _set_high(self, limit: float) -> None:
        self._set_limit(high=limit)

    def _set_hihi(self, limit: float) -> None:
        self._set_limit(hihi=limit)

    def _set_limit(self, **limit: Any) -> None:
        have = {name: getattr(self.limits, name) for name in ("lolo", "low", "high", "hihi")}
        self.limits = Limits(**(have | {name: float(value) for name, value in limit.items()}))
        self.update()
