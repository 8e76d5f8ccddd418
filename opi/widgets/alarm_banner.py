"""The newest alarms in a list that is empty on a good day, and says plainly when nobody watches."""

# ruff: noqa: N802  (names of Qt and PyDM)
from __future__ import annotations

from qtpy.QtCore import QRectF, QSize, Qt
from qtpy.QtGui import QColor, QFont, QMouseEvent, QPainter, QPaintEvent, QPen
from qtpy.QtWidgets import QSizePolicy, QVBoxLayout, QWidget

from opi.alarm_board import AlarmRow
from opi.alarm_level import level_style
from opi.alarm_watch import AlarmWatch
from opi.qt_signal import Signal
from opi.theme import PALETTE, TEXT_FONT, TEXT_PX, UNDEFINED_STYLE
from opi.widgets.badge import Notice, set_badge
from opi.widgets.card import Card, role_label

ROW_PX = 36
_GLYPH_PX = 26


class AlarmList(QWidget):
    """Painted rows: glyph, PV and time, then what is wrong. Filled while nobody has acknowledged, outlined after."""

    pv_clicked = Signal(str)

    def __init__(self, prefix: str, parent: QWidget | None = None) -> None:
        """Make an empty list.

        Args:
            prefix: first part of every PV name of the site, left out of the rows.
            parent: as Qt has it.
        """
        super().__init__(parent)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self._prefix = f"{prefix}:"
        self.rows: list[AlarmRow] = []
        self._painted: list[AlarmRow] = []
        """What is seen; a change is painted a moment later."""
        self._pressed: tuple[int, str] | None = None
        """Number of the row under the mouse button that is held down, and its PV."""

    def sizeHint(self) -> QSize:
        return QSize(320, 4 * ROW_PX)

    def show_rows(self, rows: list[AlarmRow]) -> None:
        """Show these alarms instead."""
        if rows != self.rows:
            self.rows = rows
            self.update()

    def paintEvent(self, a0: QPaintEvent | None) -> None:
        painter = QPainter(self)
        self._painted = self.rows[: self.height() // ROW_PX]
        for number, row in enumerate(self._painted):
            _paint_row(painter, QRectF(0, number * ROW_PX, self.width(), ROW_PX - 3), row, row.pv.removeprefix(self._prefix))
        painter.end()

    def mousePressEvent(self, a0: QMouseEvent | None) -> None:
        """Remember what is seen there: rows move while the button is held down."""
        self._pressed = None
        if a0 is not None and a0.button() is Qt.MouseButton.LeftButton:
            number = self._row_at(a0)
            if 0 <= number < len(self._painted):
                self._pressed = number, self._painted[number].pv

    def mouseDoubleClickEvent(self, a0: QMouseEvent | None) -> None:
        """Nothing more: the second press of a double click means the row of the first, which may have moved away."""

    def mouseReleaseEvent(self, a0: QMouseEvent | None) -> None:
        """Tell of the alarm that was pressed, if the mouse is released where it was."""
        if a0 is None or a0.button() is not Qt.MouseButton.LeftButton:
            return
        pressed, self._pressed = self._pressed, None
        if pressed is not None and pressed[0] == self._row_at(a0) and 0 <= a0.position().x() < self.width():
            self.pv_clicked.emit(pressed[1])

    @staticmethod
    def _row_at(event: QMouseEvent) -> int:
        return int(event.position().y() // ROW_PX)


def _font(pixels: int, *, bold: bool = False) -> QFont:
    font = QFont(TEXT_FONT)
    font.setPixelSize(pixels)
    font.setBold(bold)
    return font


def _paint_row(painter: QPainter, place: QRectF, row: AlarmRow, title: str) -> None:
    style = level_style(row.level)
    painter.setPen(QPen(QColor(style.border), 1, Qt.PenStyle.DashLine if style is UNDEFINED_STYLE else Qt.PenStyle.SolidLine))
    painter.setBrush(QColor(PALETTE.card if row.level.is_acknowledged else style.fill))
    painter.drawRect(place.adjusted(0.5, 0.5, -0.5, -0.5))
    ink = QColor(PALETTE.text if row.level.is_acknowledged else style.text)
    painter.setPen(ink)
    painter.setFont(_font(15, bold=True))
    painter.drawText(QRectF(place.left(), place.top(), _GLYPH_PX, place.height()), Qt.AlignmentFlag.AlignCenter, style.glyph)
    upper = QRectF(place.left() + _GLYPH_PX, place.top() + 2, place.width() - _GLYPH_PX - 6, place.height() / 2 - 2)
    lower = upper.translated(0, upper.height())
    painter.setFont(_font(TEXT_PX - 1))
    metrics = painter.fontMetrics()
    time_px = metrics.horizontalAdvance(row.time) + 8
    painter.drawText(lower, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, row.time)
    text = f"{row.text} · acknowledged" if row.level.is_acknowledged else row.text
    text = metrics.elidedText(text, Qt.TextElideMode.ElideRight, round(lower.width() - time_px))
    painter.drawText(lower, Qt.AlignmentFlag.AlignVCenter, text)
    painter.setFont(_font(TEXT_PX, bold=True))
    name = painter.fontMetrics().elidedText(title, Qt.TextElideMode.ElideLeft, round(upper.width()))
    painter.drawText(upper, Qt.AlignmentFlag.AlignVCenter, name)


class AlarmBanner(Card):
    """The list with its title, and in its place what else there is to say."""

    pv_clicked = Signal(str)
    """Name of the PV of a row."""

    def __init__(self, alarms: AlarmWatch, parent: QWidget | None = None) -> None:
        super().__init__("Active alarms", parent)
        self._alarms = alarms
        self.list = AlarmList(alarms.prefix, self)
        self.notice = Notice(self)
        self.quiet = role_label("No alarms", "soft", self)
        self.more = role_label("", "soft", self)
        box = QVBoxLayout()
        box.setSpacing(4)
        box.addWidget(self.notice)
        box.addWidget(self.quiet)
        box.addWidget(self.list, 1)
        box.addWidget(self.more)
        box.addStretch(0)
        self.body.addLayout(box, 1)
        self.list.pv_clicked.connect(self.pv_clicked)
        alarms.changed.connect(self._show)
        self._show()

    def _show(self) -> None:
        alive = self._alarms.alive
        rows = self._alarms.rows() if alive else []
        self.notice.setVisible(not alive)
        if not alive:
            set_badge(self.notice, "The alarm service does not answer: nobody watches, and nobody is paged", UNDEFINED_STYLE)
        self.quiet.setVisible(alive and not rows)
        self.list.show_rows(rows)
        self.more.setText(self._remark(len(rows)) if alive else "")

    def _remark(self, shown: int) -> str:
        """What there is besides the rows."""
        hidden = self._alarms.unacknowledged - shown
        acknowledged = self._alarms.count - self._alarms.unacknowledged
        parts = ((hidden, "more"), (acknowledged, "acknowledged"))
        return ", ".join(f"{number} {name}" for number, name in parts if number > 0)
