"""What the alarm service says of one channel, and what the shifter should do about it."""

from __future__ import annotations

from html import escape

from pydm.widgets.channel import PyDMChannel
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLabel, QScrollArea, QWidget

from alarms.level import Level
from opi.alarm_details import AlarmDetail, AlarmDetails
from opi.alarm_level import level_style
from opi.alarm_watch import AlarmWatch
from opi.detector import ChannelNames, Detector
from opi.pv_watch import PvWatch
from opi.theme import QUIET, UNDEFINED_STYLE
from opi.widgets.badge import make_badge, set_badge
from opi.widgets.card import Card

NEWLINE = "\n"


class ChannelAlarmCard(Card):
    """Worst alarm of the channel at once from its PV, reasons and guidance a moment later over HTTP."""

    def __init__(self, names: ChannelNames, detector: Detector, alarms: AlarmWatch, parent: QWidget | None = None) -> None:
        super().__init__("Alarms of this channel", parent)
        self._prefix = f"{names.prefix}:"
        self._alarms = alarms
        self._state = PvWatch(detector.channel_alarm(names), self)
        self._details = AlarmDetails(detector.alarm_url, detector.channel_alarm_path(names), self)
        self.badge = make_badge(self)
        self.text = QLabel(self)
        self.text.setWordWrap(True)
        self.text.setTextFormat(Qt.TextFormat.RichText)
        self.text.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.text.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        area = QScrollArea(self)
        area.setWidgetResizable(True)
        area.setWidget(self.text)
        self.body.addWidget(self.badge)
        self.body.addWidget(area, 1)
        self._state.changed.connect(self._show_state)
        alarms.changed.connect(self._show_state)
        self._details.answered.connect(self._show_details)
        self._details.failed.connect(self._show_failure)
        self._shown: Level | None = None
        self._show_state()

    def channels(self) -> list[PyDMChannel]:
        """For PyDM's tools."""
        return self._state.channels()

    def close_channels(self) -> None:
        """Stop following."""
        self._state.close()

    def _show_state(self) -> None:
        level = None if self._state.value is None or not self._alarms.alive else Level(int(self._state.value))
        if level is None:
            set_badge(self.badge, "The alarm service does not answer", UNDEFINED_STYLE)
            self.text.clear()
        elif level is Level.OK:
            set_badge(self.badge, "No alarm", QUIET)
            self.text.clear()
        else:
            note = " · acknowledged" if level.is_acknowledged else ""
            set_badge(self.badge, f"{level.name.removesuffix('_ACK')}{note}", level_style(level))
            if level != self._shown:
                self._details.ask()
        self._shown = level

    def _show_details(self, details: list[AlarmDetail], guidance: str) -> None:
        lines = [self._line(detail) for detail in details]
        if guidance:
            lines.append(f"<b>What to do</b><br>{escape(guidance).replace(NEWLINE, '<br>')}")
        self.text.setText("<br><br>".join(lines))

    def _line(self, detail: AlarmDetail) -> str:
        name = escape(detail.pv.removeprefix(self._prefix))
        when = escape(detail.time[:19].replace("T", " "))
        by = f", acknowledged by {escape(detail.acknowledged_by)}" if detail.acknowledged_by else ""
        glyph = level_style(detail.level).glyph
        reason = f"{detail.value} {detail.message}".strip()
        return f"{glyph} <b>{name}</b> {escape(reason)}<br>{escape(detail.description)}<br>since {when}{by}"

    def _show_failure(self, why: str) -> None:
        self.text.setText(f"Reason and guidance cannot be read: {escape(why)}")
