"""Level 1: the whole detector on one screen. Macro ``SITE``: the site folder."""

# ruff: noqa: N802  (names of Qt and PyDM)
from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

import numpy as np
from pydm import Display
from pydm.widgets.channel import PyDMChannel
from qtpy.QtGui import QCloseEvent
from qtpy.QtWidgets import QGridLayout, QHBoxLayout, QWidget

from opi.alarm_watch import AlarmWatch
from opi.detector import ChannelNames, Quantity
from opi.detector_watch import DetectorWatch
from opi.history import History, Past
from opi.site_macro import detector_of
from opi.theme import PALETTE
from opi.timer import make_timer
from opi.widgets.alarm_banner import AlarmBanner
from opi.widgets.card import Card
from opi.widgets.header_bar import HeaderBar
from opi.widgets.live_trend import SPAN_S, LiveTrend
from opi.widgets.map_card import MapCard
from opi.windows import open_faceplate

TREND_MS = 1000
SETTLE_S = 5.0
"""Longest time until the trends begin."""


class Overview(Display):
    """Header, heat map with controllers, alarms, trends."""

    def __init__(
        self, parent: QWidget | None = None, args: Sequence[str] | None = None, macros: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(parent=parent, args=args, macros=dict(macros or {}))
        self.setObjectName("screen")
        detector = detector_of(self.macros())
        self.setWindowTitle(f"{detector.title} - overview")
        self.watch = DetectorWatch(detector, self)
        self.alarms = AlarmWatch(detector, self)
        self.header = HeaderBar(self.watch, self.alarms, self)
        self.map_card = MapCard(self.watch, self)
        self.banner = AlarmBanner(self.alarms, self)
        self.current = LiveTrend("Total current", "µA", 2, PALETTE.plot_first, self)
        self.temperature = LiveTrend("Mean temperature", "°C", 2, PALETTE.plot_second, self)
        self._current_history = History(detector.archiver_url, np.sum, self)
        self._current_history.answered.connect(self._add_current)
        self._temperature_history = History(detector.archiver_url, np.mean, self)
        self._temperature_history.answered.connect(self._add_temperature)
        self._arrange()
        self.map_card.map.channel_clicked.connect(self._open_channel)
        self.banner.pv_clicked.connect(self._open_pv)
        self._opened = time.monotonic()
        self._settled = False
        self._trend_timer = make_timer(self, TREND_MS, self._add_totals)

    def channels(self) -> list[PyDMChannel]:
        """Every channel of the screen."""
        return [*self.watch.channels(), *self.alarms.channels(), *self.header.channels()]

    def connected_count(self) -> tuple[int, int]:
        """PVs of the detector that are connected, and all."""
        return self.watch.connected_count()

    def closeEvent(self, a0: QCloseEvent | None) -> None:
        """Stop following every PV, out of sight: pyepics takes 2 ms for each."""
        self.hide()
        self._trend_timer.stop()
        self._current_history.close()
        self._temperature_history.close()
        self.header.close_channels()
        self.alarms.close()
        self.watch.close()
        super().closeEvent(a0)

    def _arrange(self) -> None:
        trends = Card("Trend, UTC", self)
        line = QHBoxLayout()
        line.setSpacing(10)
        line.addWidget(self.current)
        line.addWidget(self.temperature)
        trends.body.addLayout(line, 1)
        grid = QGridLayout(self)
        grid.setContentsMargins(8, 8, 8, 8)
        grid.setSpacing(8)
        grid.addWidget(self.header, 0, 0, 1, 2)
        grid.addWidget(self.map_card, 1, 0)
        grid.addWidget(trends, 2, 0)
        grid.addWidget(self.banner, 1, 1, 2, 1)
        grid.setColumnStretch(0, 29)
        grid.setColumnStretch(1, 10)
        grid.setRowStretch(1, 33)
        grid.setRowStretch(2, 10)

    def _add_totals(self) -> None:
        if not self._settled:
            # Sums of the few that connected first would set the scale of the trend for an hour.
            self._settled = self.watch.settled() or time.monotonic() - self._opened > SETTLE_S
            if self._settled:
                self._ask_history()
            return
        totals = self.watch.totals()
        now = time.time()
        self.current.add(now, totals.current, totals.currents, totals.expected)
        self.temperature.add(now, totals.temperature, totals.temperatures, totals.expected)

    def _add_current(self, past: Past) -> None:
        self.current.add_history(past, self.watch.totals().expected)

    def _add_temperature(self, past: Past) -> None:
        self.temperature.add_history(past, self.watch.totals().expected)

    def _ask_history(self) -> None:
        channels = self.watch.counted_channels()
        if channels:
            self._current_history.ask([names.pv(Quantity.CURRENT.suffix) for names in channels], SPAN_S)
            self._temperature_history.ask([names.pv(Quantity.TEMP.suffix) for names in channels], SPAN_S)

    def _open_channel(self, controller: str, channel: str) -> None:
        open_faceplate(ChannelNames(controller, channel), self.macros())

    def _open_pv(self, pv: str) -> None:
        """Open the faceplate of the channel a PV belongs to, if it belongs to one."""
        names = self.watch.detector.channel_of(pv)
        if names is not None:
            open_faceplate(names, self.macros())
