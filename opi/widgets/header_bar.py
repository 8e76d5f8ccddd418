"""The bar on top of every screen: where we are, how the detector is, what alarms, which services live, what time it is."""

from __future__ import annotations

from datetime import UTC, datetime

from pydm.widgets.channel import PyDMChannel
from qtpy.QtWidgets import QFrame, QHBoxLayout, QWidget

from opi.alarm_level import AlarmLevel, level_style
from opi.alarm_watch import AlarmWatch
from opi.detector_state import DetectorState
from opi.detector_watch import DetectorWatch
from opi.service_watch import ServiceWatch
from opi.theme import ALARM_STYLES, QUIET, UNDEFINED_STYLE
from opi.timer import make_timer
from opi.widgets.badge import make_badge, set_badge
from opi.widgets.card import role_label

TICK_MS = 500


class HeaderBar(QFrame):
    """Title, detector state, alarms, heartbeats, clock."""

    def __init__(self, watch: DetectorWatch, alarms: AlarmWatch, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("header")
        self._watch = watch
        self._alarms = alarms
        self._services = [ServiceWatch(entry, self) for entry in watch.detector.services]
        self.state = make_badge(self)
        self.alarm = make_badge(self)
        self.iocs = make_badge(self)
        self.services = {service.entry.name: make_badge(self) for service in self._services if not service.entry.is_ioc}
        self.clock = role_label("", "clock", self)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(10, 6, 10, 6)
        layout.setSpacing(8)
        layout.addWidget(role_label(watch.detector.title, "title", self))
        layout.addSpacing(12)
        layout.addWidget(self.state)
        layout.addWidget(self.alarm)
        layout.addStretch(1)
        for badge in (self.iocs, *self.services.values()):
            layout.addWidget(badge)
        layout.addSpacing(8)
        layout.addWidget(self.clock)
        self._timer = make_timer(self, TICK_MS, self._tick)
        watch.changed.connect(self._show_state)
        alarms.changed.connect(self._show_alarms)
        self._show_state()
        self._show_alarms()
        self._tick()

    def channels(self) -> list[PyDMChannel]:
        """For PyDM's tools."""
        return [channel for service in self._services for channel in service.channels()]

    def close_channels(self) -> None:
        """Stop following the services; detector and alarms belong to the screen."""
        self._timer.stop()
        for service in self._services:
            service.close()

    def _show_state(self) -> None:
        state: DetectorState = self._watch.state()
        lost = state.unknown == state.total
        set_badge(self.state, state.text, UNDEFINED_STYLE if lost else ALARM_STYLES[state.severity])
        self.state.setToolTip(state.details)

    def _show_alarms(self) -> None:
        alarms = self._alarms
        if not alarms.alive:
            set_badge(self.alarm, "No alarm server", UNDEFINED_STYLE)
        elif alarms.worst is AlarmLevel.OK:
            set_badge(self.alarm, "No alarms", QUIET)
        else:
            name = alarms.worst.name.removesuffix("_ACK")
            set_badge(
                self.alarm, f"{name} · {alarms.unacknowledged} of {alarms.count} to acknowledge", level_style(alarms.worst)
            )

    def _tick(self) -> None:
        self.clock.setText(f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC")
        iocs = [service for service in self._services if service.entry.is_ioc]
        alive = sum(service.alive for service in iocs)
        set_badge(self.iocs, f"IOCs {alive}/{len(iocs)}", QUIET if alive == len(iocs) else UNDEFINED_STYLE)
        self.iocs.setToolTip("\n".join(f"{service.entry.name}: {service.text}" for service in iocs))
        for service in self._services:
            if service.entry.name in self.services:
                badge = self.services[service.entry.name]
                set_badge(badge, f"{service.entry.name} {service.text}", QUIET if service.alive else UNDEFINED_STYLE)
