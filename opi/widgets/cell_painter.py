"""How a cell of the heat map is drawn; the map and its legend share it."""

from __future__ import annotations

from qtpy.QtCore import QRectF, Qt
from qtpy.QtGui import QBrush, QColor, QFont, QPainter, QPen

from opi.cell import Cell, Look, Motion
from opi.scale import Scale
from opi.theme import ALARM_STYLES, PALETTE, TEXT_FONT, AlarmStyle
from sipmdcs.severity import Severity

_LETTERS = {Look.TRIPPED: "T", Look.INTERLOCKED: "I", Look.ERROR: "E", Look.UNKNOWN: "?"}
_LOOK_SEVERITY = {
    Look.TRIPPED: Severity.MAJOR,
    Look.ERROR: Severity.MAJOR,
    Look.INTERLOCKED: Severity.MINOR,
    Look.UNKNOWN: Severity.INVALID,
}
_SMALLEST_GLYPH_PX = 6


def luminance(scale: Scale | None, value: float) -> QColor:
    """Grey of a value: light is low, dark is high."""
    fraction = 0.5 if scale is None else scale.fraction(value)
    low, high = QColor(PALETTE.cell_low), QColor(PALETTE.cell_high)
    return QColor(
        round(low.red() + (high.red() - low.red()) * fraction),
        round(low.green() + (high.green() - low.green()) * fraction),
        round(low.blue() + (high.blue() - low.blue()) * fraction),
    )


def draw_cell(painter: QPainter, place: QRectF, cell: Cell, scale: Scale | None) -> None:
    """Draw one cell into ``place``.

    The fill says what the channel does, the outline and the glyph how bad it is.
    """
    inner = place.adjusted(1, 1, -1, -1)
    match cell.look:
        case Look.BLANK:
            return
        case Look.LOST | Look.STALE:
            _draw_hatched(painter, inner, PALETTE.invalid if cell.look is Look.LOST else PALETTE.stale)
        case Look.MASKED:
            _draw_masked(painter, inner)
        case Look.OFF:
            _draw_off(painter, inner)
            _draw_severity(painter, inner, cell.severity)
        case Look.VALUE:
            fill = luminance(scale, cell.value)
            _draw_box(painter, inner, fill, QPen(QColor(PALETTE.cell_border), 1))
            if cell.motion is not Motion.STILL:
                ink = PALETTE.on_alarm if fill.lightness() < 140 else PALETTE.text
                _draw_glyph(painter, inner, cell.motion.value, ink)
            _draw_severity(painter, inner, cell.severity)
        case Look.TRIPPED | Look.INTERLOCKED | Look.ERROR | Look.UNKNOWN:
            style = ALARM_STYLES[_LOOK_SEVERITY[cell.look]]
            _draw_box(painter, inner, QColor(style.fill), QPen(QColor(style.border), 1))
            _draw_glyph(painter, inner, _LETTERS[cell.look], style.text)


def _draw_box(painter: QPainter, place: QRectF, fill: QColor | QBrush, pen: QPen) -> None:
    painter.setPen(pen)
    painter.setBrush(QBrush(fill))
    painter.drawRect(place.adjusted(0.5, 0.5, -0.5, -0.5))


def _draw_hatched(painter: QPainter, place: QRectF, colour: str) -> None:
    pen = QPen(QColor(colour), 1, Qt.PenStyle.DashLine)
    painter.fillRect(place, QColor(PALETTE.card))
    _draw_box(painter, place, QBrush(QColor(colour), Qt.BrushStyle.BDiagPattern), pen)


def _draw_masked(painter: QPainter, place: QRectF) -> None:
    _draw_box(painter, place, QColor(PALETTE.bar_track), QPen(QColor(PALETTE.cell_border), 1))
    painter.setPen(QPen(QColor(PALETTE.text_soft), 1))
    painter.drawLine(place.topLeft(), place.bottomRight())
    painter.drawLine(place.bottomLeft(), place.topRight())


def _draw_off(painter: QPainter, place: QRectF) -> None:
    _draw_box(painter, place, QColor(PALETTE.cell_blank), QPen(QColor(PALETTE.cell_border), 1))
    dash = min(place.width(), place.height()) * 0.3
    middle = place.center()
    painter.fillRect(QRectF(middle.x() - dash, middle.y() - 1, 2 * dash, 2), QColor(PALETTE.text_soft))


def _draw_severity(painter: QPainter, place: QRectF, severity: Severity) -> None:
    if severity is Severity.NO_ALARM:
        return
    style = ALARM_STYLES[severity]
    thick = 3 if severity is Severity.MAJOR else 2
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.setPen(QPen(QColor(style.border), thick + 1))
    painter.drawRect(place.adjusted(1, 1, -1, -1))
    painter.setPen(QPen(QColor(style.fill), thick - 0.5))
    painter.drawRect(place.adjusted(1, 1, -1, -1))
    _draw_badge(painter, place, style)


def _draw_badge(painter: QPainter, place: QRectF, style: AlarmStyle) -> None:
    """The glyph on a patch of the alarm's colour, so that it reads on any grey."""
    size = min(place.height(), place.width()) * 0.72
    if size < _SMALLEST_GLYPH_PX:
        painter.fillRect(place, QColor(style.fill))
        return
    patch = QRectF(0, 0, size, size)
    patch.moveCenter(place.center())
    painter.fillRect(patch, QColor(style.fill))
    _draw_glyph(painter, patch, style.glyph, style.text)


def _draw_glyph(painter: QPainter, place: QRectF, glyph: str, colour: str) -> None:
    size = round(min(place.height() * 0.8, place.width() * 0.9, 16))
    if size < _SMALLEST_GLYPH_PX:
        return
    font = QFont(TEXT_FONT)
    font.setPixelSize(size)
    font.setBold(True)
    painter.setFont(font)
    painter.setPen(QColor(colour))
    painter.drawText(place, Qt.AlignmentFlag.AlignCenter, glyph)
