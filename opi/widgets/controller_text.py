"""What stands at the end of a controller's line in the heat map: connection, state, channels on, channels tripped."""

from __future__ import annotations

from qtpy.QtCore import QRectF, Qt
from qtpy.QtGui import QColor, QFont, QPainter

from opi.controller_watch import ControllerSummary
from opi.link_watch import Link
from opi.theme import ALARM_STYLES, PALETTE, TEXT_FONT, TEXT_PX
from sipmdcs.channelstate import ChannelState
from sipmdcs.severity import Severity

_SHORT = {
    ChannelState.DISCONNECTED: "DISC",
    ChannelState.OFF: "OFF",
    ChannelState.STANDBY: "STBY",
    ChannelState.RAMPING_UP: "↑",
    ChannelState.ON: "ON",
    ChannelState.RAMPING_DOWN: "↓",
    ChannelState.TRIPPED: "TRIP",
    ChannelState.INTERLOCKED: "ILK",
    ChannelState.ERROR: "ERR",
}
_SHORT_LINK = {Link.LOST: "lost", Link.NO_REPLY: "no reply", Link.WAITING: "waiting"}
_STATE_SHARE = 0.56
"""Part of the wide form that the state takes."""


def draw_controller_text(painter: QPainter, place: QRectF, summary: ControllerSummary, channels: int, *, wide: bool) -> None:
    """Draw the text of one controller into ``place``, shortened unless ``wide``."""
    font = QFont(TEXT_FONT)
    font.setPixelSize(max(min(TEXT_PX, round(place.height()) - 4), 6))
    painter.setFont(font)
    body = place.adjusted(6, 1, 0, -1)
    if summary.link is not Link.LIVE:
        _draw_boxed(painter, body, _link_text(summary, wide=wide), PALETTE.card, PALETTE.invalid, dashed=True)
        return
    state_box = QRectF(body)
    state_box.setWidth(body.width() * _STATE_SHARE)
    rest = body.adjusted(state_box.width() + 6, 0, 0, 0)
    state = "?" if summary.state is None else summary.state.name.replace("_", " ") if wide else _SHORT[summary.state]
    style = ALARM_STYLES[summary.severity]
    if summary.severity is Severity.NO_ALARM:
        painter.setPen(QColor(PALETTE.text))
        painter.drawText(state_box.adjusted(4, 0, 0, 0), Qt.AlignmentFlag.AlignVCenter, state)
    else:
        glyph = f"{style.glyph} " if wide else ""
        _draw_boxed(painter, state_box, f"{glyph}{state}", style.fill, style.text, dashed=False)
    tripped = summary.tripped or 0
    if wide:
        painter.setPen(QColor(PALETTE.live))
        text = f"{'?' if summary.on is None else summary.on}/{channels}"
        painter.drawText(rest, Qt.AlignmentFlag.AlignVCenter, text)
        if tripped:
            count = rest.adjusted(rest.width() * 0.62, 0, 0, 0)
            major = ALARM_STYLES[Severity.MAJOR]
            _draw_boxed(painter, count, f"{tripped}T", major.fill, major.text, dashed=False)
    else:
        painter.setPen(QColor(PALETTE.live))
        painter.drawText(rest, Qt.AlignmentFlag.AlignVCenter, "?" if summary.on is None else str(summary.on))


def _link_text(summary: ControllerSummary, *, wide: bool) -> str:
    if summary.link is Link.STALE:
        return f"stale {summary.age_s:.0f} s"
    return summary.link.value if wide else _SHORT_LINK[summary.link]


def _draw_boxed(painter: QPainter, place: QRectF, text: str, fill: str, ink: str, *, dashed: bool) -> None:
    painter.fillRect(place, QColor(fill))
    pen = painter.pen()
    pen.setColor(QColor(ink if dashed else PALETTE.card_border))
    pen.setStyle(Qt.PenStyle.DashLine if dashed else Qt.PenStyle.SolidLine)
    pen.setWidth(1)
    painter.setPen(pen)
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.drawRect(place.adjusted(0.5, 0.5, -0.5, -0.5))
    painter.setPen(QColor(ink))
    painter.drawText(place.adjusted(4, 0, 0, 0), Qt.AlignmentFlag.AlignVCenter, text)
