"""The bar on top of every screen: where we are, how the detector is, what alarms, which services live, what time it is."""

from __future__ import annotations

from datetime import UTC, datetime

from pydm.widgets.channel import PyDMChannel
from qtpy.QtWidgets import QFrame, QHBoxLayout, QWidget

from alarms.level import Level
from opi.alarm_level import level_style
from opi.alarm_watch import AlarmWatch
from opi.detector_watch import DetectorWatch
from opi.run_watch import UNKNOWN, RunWatch
from opi.service_watch import ServiceGroup
from opi.theme import ALARM_STYLES, QUIET, UNDEFINED_STYLE
from opi.timer import make_timer
from opi.widgets.badge import make_badge, set_badge
from opi.widgets.card import role_label
from opi.widgets.plain_text import set_plain_tip

TICK_MS = 500


class HeaderBar(QFrame):
    """Title, detector state, alarms, run, heartbeats, clock."""

    def __init__(self, watch: DetectorWatch, alarms: AlarmWatch, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("header")
        self._watch = watch
        self._alarms = alarms
        self._iocs = ServiceGroup("IOCs", [entry for entry in watch.detector.services if entry.is_ioc], self)
        self._services = ServiceGroup("Services", [entry for entry in watch.detector.services if not entry.is_ioc], self)
        title = role_label(watch.detector.title, "title", self)
        title.setMinimumWidth(1)  # the one part that may be cut when everything else has much to say
        self.state = make_badge(self)
        self.alarm = make_badge(self)
        self.run = make_badge(self)
        self._run = None if watch.detector.run is None else RunWatch(watch.detector.run, self)
        self.iocs = make_badge(self)
        self.services = make_badge(self)
        self.clock = role_label("", "clock", self)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(10, 6, 10, 6)
        layout.setSpacing(8)
        layout.addWidget(title)
        layout.addSpacing(8)
        layout.addWidget(self.state)
        layout.addWidget(self.alarm)
        layout.addWidget(self.run)
        layout.addStretch(1)
        layout.addWidget(self.iocs)
        layout.addWidget(self.services)
        layout.addSpacing(4)
        layout.addWidget(self.clock)
        self._timer = make_timer(self, TICK_MS, self._tick)
        watch.changed.connect(self._show_state)
        alarms.changed.connect(self._show_alarms)
        self.run.setVisible(self._run is not None)
        if self._run is not None:
            self._run.changed.connect(self._show_run)
        self._show_run()
        self._show_state()
        self._show_alarms()
        self._tick()

    def channels(self) -> list[PyDMChannel]:
        """For PyDM's tools."""
        run = [] if self._run is None else self._run.channels()
        return [*self._iocs.channels(), *self._services.channels(), *run]

    def close_channels(self) -> None:
        """Stop following the services; detector and alarms belong to the screen."""
        self._timer.stop()
        self._iocs.close()
        self._services.close()
        if self._run is not None:
            self._run.close()

    def _show_run(self) -> None:
        text = UNKNOWN if self._run is None else self._run.text
        set_badge(self.run, text or "Run ?", QUIET if text else UNDEFINED_STYLE)
        set_plain_tip(self.run, "the run that is open, of the default partition")

    def _show_state(self) -> None:
        state = self._watch.state()
        lost = state.unknown == state.total
        set_badge(self.state, state.text, UNDEFINED_STYLE if lost else ALARM_STYLES[state.severity])
        set_plain_tip(self.state, state.details)

    def _show_alarms(self) -> None:
        alarms = self._alarms
        if not alarms.alive:
            set_badge(self.alarm, "No alarm service", UNDEFINED_STYLE)
        elif alarms.worst is Level.OK:
            set_badge(self.alarm, "No alarms", QUIET)
        else:
            worst = alarms.worst.name.removesuffix("_ACK")
            text = f"{worst} · {alarms.unacknowledged} new of {alarms.count}"
            set_badge(self.alarm, text, QUIET if alarms.worst.is_acknowledged else level_style(alarms.worst))
        set_plain_tip(self.alarm, "worst alarm; alarms that nobody has acknowledged, of all")

    def _tick(self) -> None:
        self.clock.setText(f"{datetime.now(UTC):%H:%M:%S} UTC")
        set_plain_tip(self.clock, f"{datetime.now(UTC):%A, %Y-%m-%d}")
        for badge, group in ((self.iocs, self._iocs), (self.services, self._services)):
            set_badge(badge, group.text, QUIET if group.all_alive else UNDEFINED_STYLE)
            set_plain_tip(badge, group.details)
