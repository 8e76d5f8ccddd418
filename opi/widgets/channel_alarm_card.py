"""What the alarm service says of one channel, and what the shifter should do about it."""

from __future__ import annotations

from pydm.widgets.channel import PyDMChannel
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLabel, QScrollArea, QVBoxLayout, QWidget

from alarms.level import Level
from opi.alarm_details import AlarmDetail, AlarmDetails
from opi.alarm_level import level_style
from opi.alarm_watch import AlarmWatch
from opi.detector import ChannelNames, Detector
from opi.pv_watch import PvWatch
from opi.theme import QUIET, UNDEFINED_STYLE
from opi.timer import make_timer
from opi.widgets.badge import make_badge, set_badge
from opi.widgets.card import Card, role_label
from opi.widgets.plain_text import PlainLabel

GATHER_MS = 300
"""Changes of one moment are asked about once."""
REPEAT_MS = 5000
"""While there is an alarm it is asked again: values, acknowledgements and alarms of equal level change without a signal."""


class ChannelAlarmCard(Card):
    """Worst alarm of the channel at once from its PV; a moment later guidance and all alarms, worst first, over HTTP."""

    def __init__(self, names: ChannelNames, detector: Detector, alarms: AlarmWatch, parent: QWidget | None = None) -> None:
        super().__init__("Alarms of this channel", parent)
        self._prefix = f"{names.prefix}:"
        self._alarms = alarms
        self._state = PvWatch(detector.channel_alarm(names), self)
        self._details = AlarmDetails(detector.alarm_url, detector.channel_alarm_path(names), self)
        self._soon = make_timer(self, GATHER_MS, self._details.ask, once=True)
        self._repeat = make_timer(self, REPEAT_MS, self._details.ask)
        self._repeat.stop()
        self.badge = make_badge(self)
        content = QWidget(self)
        self.guidance_title = role_label("", "cardTitle", content)
        self.guidance = PlainLabel("", content)
        self.reasons = PlainLabel("", content)
        box = QVBoxLayout(content)
        box.setContentsMargins(0, 0, 0, 0)
        for label in (self.guidance_title, self.guidance, self.reasons):  # of many alarms the guidance is not below the edge
            label.setWordWrap(True)
            label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
            box.addWidget(label)
        self.reasons.setContentsMargins(0, 8, 0, 0)
        box.addStretch(1)
        area = QScrollArea(self)
        area.setWidgetResizable(True)
        area.setWidget(content)
        self.body.addWidget(self.badge)
        self.body.addWidget(area, 1)
        self._state.changed.connect(self._show_state)
        alarms.changed.connect(self._show_state)
        self._details.answered.connect(self._show_details)
        self._details.failed.connect(self._show_failure)
        self._show_state()

    @property
    def text(self) -> str:
        """Everything below the badge."""
        return "\n".join(label.text() for label in (self.guidance_title, self.guidance, self.reasons) if label.text())

    def channels(self) -> list[PyDMChannel]:
        """For PyDM's tools."""
        return self._state.channels()

    def close_channels(self) -> None:
        """Stop following."""
        self._soon.stop()
        self._repeat.stop()
        self._state.close()

    def _level(self) -> Level | None:
        """Worst level of the channel; ``None`` while nobody says."""
        code = self._state.value
        if code is None or not self._alarms.alive:
            return None
        return Level(int(code)) if 0 <= code < len(Level) else Level.UNDEFINED

    def _show_state(self) -> None:
        level = self._level()
        if not level:  # OK is 0
            self._soon.stop()
            self._repeat.stop()
            self._show("", "", "")
            if level is None:
                set_badge(self.badge, "The alarm service does not answer", UNDEFINED_STYLE)
            else:
                set_badge(self.badge, "No alarm", QUIET)
            return
        note = " · acknowledged" if level.is_acknowledged else ""
        set_badge(self.badge, f"{level.name.removesuffix('_ACK')}{note}", level_style(level))
        if not self._soon.isActive():
            self._soon.start()
        if not self._repeat.isActive():
            self._repeat.start()

    def _show_details(self, details: list[AlarmDetail], guidance: str) -> None:
        if self._level():  # otherwise the answer is about alarms that are gone
            about = details[0].pv.removeprefix(self._prefix) if details else ""
            title = f"What to do about {about}" if guidance else ""
            self._show("\n\n".join(self._lines(detail) for detail in details), title, guidance)

    def _show(self, reasons: str, title: str, guidance: str) -> None:
        texts: list[tuple[QLabel, str]] = [(self.reasons, reasons), (self.guidance_title, title), (self.guidance, guidance)]
        for label, text in texts:
            if label.text() != text:  # a selection and the place that was scrolled to are kept
                label.setText(text)
            label.setVisible(bool(text))

    def _lines(self, detail: AlarmDetail) -> str:
        name = detail.pv.removeprefix(self._prefix)
        when = detail.time[:19].replace("T", " ")
        by = f", acknowledged by {detail.acknowledged_by}" if detail.acknowledged_by else ""
        reason = f"{detail.value} {detail.message}".strip()
        first = f"{level_style(detail.level).glyph} {detail.level.name.removesuffix('_ACK')} · {name} {reason}".strip()
        return "\n".join(part for part in (first, detail.description, f"since {when} UTC{by}" if when else "") if part)

    def _show_failure(self, why: str) -> None:
        if self._level():
            self._show(f"Reason and guidance cannot be read: {why}", "", "")
