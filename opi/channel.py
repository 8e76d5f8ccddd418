"""Level 3: the faceplate of one channel. Macros ``P``: prefix of the controller, ``R``: channel, ``SITE``: the site folder."""

# ruff: noqa: N802  (names of Qt and PyDM)
from __future__ import annotations

from collections.abc import Mapping, Sequence

from pydm import Display
from pydm.widgets.channel import PyDMChannel
from qtpy.QtCore import Qt
from qtpy.QtGui import QCloseEvent
from qtpy.QtWidgets import QFrame, QGridLayout, QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from opi.alarm_watch import AlarmWatch
from opi.detector import ChannelNames
from opi.link_watch import Link
from opi.pv_watch import PvWatch
from opi.site_macro import detector_of, required
from opi.theme import PALETTE, UNDEFINED_STYLE
from opi.widgets.badge import make_badge, set_badge
from opi.widgets.calibration_card import CalibrationCard
from opi.widgets.card import Card, role_label
from opi.widgets.channel_alarm_card import ChannelAlarmCard
from opi.widgets.output_card import OutputCard
from opi.widgets.readback_table import ReadbackTable
from opi.widgets.trend_card import TrendCard
from opi.widgets.trip_card import TripCard
from opi.windows import open_faceplate

READBACKS = (
    ("Setpoint in device", "BIAS_RBV"),
    ("Voltage", "VMON_RBV"),
    ("Deviation", "VDEV_RBV"),
    ("Current", "CURRENT_RBV"),
    ("Temperature", "TEMP_RBV"),
    ("Overvoltage", "OVERVOLTAGE_RBV"),
)
LEFT_PX = 360


class ChannelFaceplate(Display):
    """Everything about one channel, and what may be done to it."""

    def __init__(
        self, parent: QWidget | None = None, args: Sequence[str] | None = None, macros: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(parent=parent, args=args, macros=dict(macros or {}))
        self.setObjectName("screen")
        self.names = ChannelNames(required(self.macros(), "P"), required(self.macros(), "R"))
        self.setWindowTitle(self.names.prefix)
        self.detector = detector_of(self.macros())
        self.alarms = AlarmWatch(self.detector, self)
        self.description = PvWatch(self.names.pv("BIAS.DESC"), self)
        self.description.changed.connect(self._show_description)
        self.subtitle = role_label("", "soft", self)
        self.link = make_badge(self)
        self.previous = QPushButton("◀ Previous", self)
        self.next = QPushButton("Next ▶", self)
        self.output = OutputCard(self.names, self)
        self.trip = TripCard(self.names, self)
        self.readbacks = ReadbackTable([(text, self.names.pv(suffix)) for text, suffix in READBACKS], self)
        self.calibration = CalibrationCard(self.names, self)
        self.alarm = ChannelAlarmCard(self.names, self.detector, self.alarms, self)
        self.trend = TrendCard(
            (
                ("Voltage (V)", self.names.pv("VMON_RBV"), PALETTE.plot_first),
                ("Current (µA)", self.names.pv("CURRENT_RBV"), PALETTE.plot_second),
            ),
            self,
        )
        self.output.bias.changed.connect(self._show_link)
        self._show_link()
        self._arrange()
        self._link_neighbours()
        # Without this the first button has the focus, and a stray space bar presses it.
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setFocus()

    def channels(self) -> list[PyDMChannel]:
        """Every channel of the screen that is not of a PyDM widget."""
        parts = (*self._parts(), self.alarms, self.description)
        return [channel for part in parts for channel in part.channels()]

    def closeEvent(self, a0: QCloseEvent | None) -> None:
        """Stop following every PV."""
        for part in self._parts():
            part.close_channels()
        self.alarms.close()
        self.description.close()
        super().closeEvent(a0)

    def connected_count(self) -> tuple[int, int]:
        """PVs of the channel that are connected, and all."""
        return self.readbacks.connected_count()

    def _parts(self) -> tuple[OutputCard, TripCard, ReadbackTable, CalibrationCard, ChannelAlarmCard, TrendCard]:
        return (self.output, self.trip, self.readbacks, self.calibration, self.alarm, self.trend)

    def _arrange(self) -> None:
        header = QFrame(self)
        header.setObjectName("header")
        line = QHBoxLayout(header)
        line.setContentsMargins(10, 6, 10, 6)
        line.addWidget(role_label(self.names.prefix, "title", header))
        line.addSpacing(12)
        line.addWidget(self.subtitle)
        line.addStretch(1)
        line.addWidget(self.link)
        line.addWidget(self.previous)
        line.addWidget(self.next)
        left = QVBoxLayout()
        left.setSpacing(8)
        for part in (self.output, self.trip, self.calibration):
            part.setFixedWidth(LEFT_PX)
            left.addWidget(part)
        self.alarm.setFixedWidth(LEFT_PX)
        left.addWidget(self.alarm, 1)
        grid = QGridLayout(self)
        grid.setContentsMargins(8, 8, 8, 8)
        grid.setSpacing(8)
        grid.addWidget(header, 0, 0, 1, 2)
        grid.addLayout(left, 1, 0, 2, 1)
        grid.addWidget(self._titled("Readbacks", self.readbacks), 1, 1)
        grid.addWidget(self.trend, 2, 1)
        grid.setColumnStretch(1, 1)
        grid.setRowStretch(2, 1)

    def _titled(self, title: str, content: QWidget) -> Card:
        card = Card(title, self)
        card.body.addWidget(content)
        return card

    def _link_neighbours(self) -> None:
        row = self.detector.row_of(self.names.controller)
        order = [] if row is None else [row.channel(index) for index in range(row.channels)]
        here = order.index(self.names) if self.names in order else -1
        self._before = order[here - 1] if here > 0 else None
        self._after = order[here + 1] if 0 <= here < len(order) - 1 else None
        self.previous.setEnabled(self._before is not None)
        self.next.setEnabled(self._after is not None)
        self.previous.clicked.connect(self._go_back)
        self.next.clicked.connect(self._go_on)

    def _go_back(self) -> None:
        self._go(self._before)

    def _go_on(self) -> None:
        self._go(self._after)

    def _go(self, names: ChannelNames | None) -> None:
        if names is not None:
            window = open_faceplate(names, {name: value for name, value in self.macros().items() if name not in ("P", "R")})
            window.setGeometry(self.geometry())
            self.close()

    def _show_link(self) -> None:
        """Why what is shown is not the present, if it is not."""
        link = self.output.bias.link
        live = link.link is Link.LIVE
        set_badge(self.link, f"{link.text}; no present values", UNDEFINED_STYLE)
        self.link.setVisible(not live)
        self.readbacks.show_stale(not live)

    def _show_description(self) -> None:
        """The setpoint's description ends in the serial number of the SiPM."""
        self.subtitle.setText(self.description.text.rpartition(", ")[2])
