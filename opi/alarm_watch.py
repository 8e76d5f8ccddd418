"""What the alarm service says, followed through its PVs."""

from __future__ import annotations

import numpy as np
from pydm.widgets.channel import PyDMChannel
from qtpy.QtCore import QObject

from alarms.level import Level
from opi.alarm_board import AlarmRow, read_banner
from opi.detector import Detector
from opi.pv_watch import PvWatch
from opi.qt_signal import Signal
from opi.service_watch import DEAD_AFTER_S
from opi.timer import make_timer

TICK_MS = 1000


class AlarmWatch(QObject):
    """Worst level, counts and the newest alarms; or that nobody says."""

    changed = Signal()

    def __init__(self, detector: Detector, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.prefix = detector.prefix
        self._heartbeat = PvWatch(detector.alarm_heartbeat, self)
        self._state = self._watch(detector.alarm_state)
        self._count = self._watch(detector.alarm_count)
        self._unacknowledged = self._watch(detector.alarm_unacknowledged)
        self._latest = self._watch(detector.alarm_latest)
        self._levels = self._watch(detector.alarm_latest_levels)
        self._was_alive = False
        self._tick = make_timer(self, TICK_MS, self._look)

    @property
    def alive(self) -> bool:
        """The service is there, its heart beats, and it says how the tree is."""
        return self._state.value is not None and self._heartbeat.connected and self._heartbeat.age() < DEAD_AFTER_S

    @property
    def worst(self) -> Level:
        """Worst level of all."""
        return Level(int(self._state.value or 0))

    @property
    def count(self) -> int:
        """PVs in alarm."""
        return int(self._count.value or 0)

    @property
    def unacknowledged(self) -> int:
        """PVs in alarm of which nobody has taken notice."""
        return int(self._unacknowledged.value or 0)

    def rows(self) -> list[AlarmRow]:
        """The newest alarms that nobody has acknowledged."""
        if self._latest.value is None or self._levels.value is None:
            return []
        # A waveform of one element arrives as a number, one of one character as a string.
        text = self._latest.value
        codes = text.encode("latin-1") if isinstance(text, str) else np.atleast_1d(text)
        return read_banner(codes, np.atleast_1d(self._levels.value))

    def channels(self) -> list[PyDMChannel]:
        """For PyDM's tools."""
        return [channel for watch in self.findChildren(PvWatch) for channel in watch.channels()]

    def close(self) -> None:
        """Stop following."""
        self._tick.stop()
        for watch in self.findChildren(PvWatch):
            watch.close()

    def _watch(self, name: str) -> PvWatch:
        watch = PvWatch(name, self)
        watch.changed.connect(self.changed)
        return watch

    def _look(self) -> None:
        if self.alive != self._was_alive:
            self._was_alive = self.alive
            self.changed.emit()
