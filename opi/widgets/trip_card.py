"""Trip, its cause and its reset; and taking a bad channel out."""

from __future__ import annotations

from pydm.widgets.channel import PyDMChannel
from qtpy.QtWidgets import QGridLayout, QWidget

from opi.detector import ChannelNames
from opi.pv_watch import PvWatch
from opi.pv_writer import PvWriter
from opi.theme import ALARM_STYLES, UNDEFINED_STYLE
from opi.verdict import Verdict, Weight
from opi.widgets.badge import make_badge, set_badge
from opi.widgets.card import Card, role_label
from opi.widgets.confirm_button import ConfirmButton
from opi.widgets.write_notice import WriteNotice
from sipmdcs.severity import Severity


class TripCard(Card):
    """What tripped and why, reset with a question, mask with a question."""

    def __init__(self, names: ChannelNames, parent: QWidget | None = None) -> None:
        super().__init__("Protection", parent)
        self._names = names
        self._trip = PvWatch(names.pv("TRIP"), self)
        self._cause = PvWatch(names.pv("TRIP_CAUSE"), self)
        self._mask = PvWatch(names.pv("MASK"), self)
        self.trip = make_badge(self)
        self.use = make_badge(self)
        self._reset_writer = PvWriter(names.pv("TRIP_RESET"), self)
        self._mask_writer = PvWriter(names.pv("MASK"), self)
        self.reset = ConfirmButton("Reset …", self._reset_writer, 1, self._judge_reset, self)
        self.mask_button = ConfirmButton("Mask …", self._mask_writer, 1, self._judge_mask, self)
        self.use_button = ConfirmButton("Use …", self._mask_writer, 0, self._judge_use, self)
        self.reset_notice = WriteNotice(self._reset_writer, lambda value: "reset", self)
        self.mask_notice = WriteNotice(self._mask_writer, lambda value: "masked" if value else "used", self)
        grid = QGridLayout()
        grid.setVerticalSpacing(6)
        grid.addWidget(role_label("Trip", "soft", self), 0, 0)
        grid.addWidget(self.trip, 0, 1)
        grid.addWidget(self.reset, 0, 2)
        grid.addWidget(role_label("Channel", "soft", self), 1, 0)
        grid.addWidget(self.use, 1, 1)
        grid.addWidget(self.mask_button, 1, 2)
        grid.addWidget(self.use_button, 1, 2)
        grid.setColumnStretch(1, 1)
        self.body.addLayout(grid)
        self.body.addWidget(self.reset_notice)
        self.body.addWidget(self.mask_notice)
        for watch in (self._trip, self._cause, self._mask):
            watch.changed.connect(self._show)
        self._show()

    def channels(self) -> list[PyDMChannel]:
        """For PyDM's tools."""
        return [channel for source in self._sources() for channel in source.channels()]

    def close_channels(self) -> None:
        """Stop following."""
        for source in self._sources():
            source.close()

    def _sources(self) -> tuple[PvWatch | PvWriter, ...]:
        return (self._trip, self._cause, self._mask, self._reset_writer, self._mask_writer)

    def _show(self) -> None:
        if self._trip.value is None:
            set_badge(self.trip, "NOT CONNECTED", UNDEFINED_STYLE)
        elif self._trip.value:
            worst = max(self._trip.severity, Severity.MAJOR)
            set_badge(self.trip, f"{self._trip.text}: {self._cause.text}", ALARM_STYLES[worst])
        else:
            last = f", last: {self._cause.text}" if self._cause.value else ""
            set_badge(self.trip, f"{self._trip.text}{last}", ALARM_STYLES[self._trip.severity])
        masked = self._mask.value == 1
        if self._mask.value is None:
            set_badge(self.use, "NOT CONNECTED", UNDEFINED_STYLE)
        else:
            text = "masked: left out of sums and alarms" if masked else "used"
            set_badge(self.use, text, ALARM_STYLES[Severity.NO_ALARM])
        self.mask_button.setVisible(not masked)
        self.use_button.setVisible(masked)

    def _judge_reset(self) -> Verdict:
        cause = self._cause.text or "unknown"
        text = f"Reset the trip of {self._names.prefix}?\nCause: {cause}. The channel stays off."
        return Verdict(Weight.QUESTION, text, (cause,))

    def _judge_mask(self) -> Verdict:
        return Verdict(Weight.QUESTION, f"Mask {self._names.prefix}?\nIt will be left out of sums and alarms.")

    def _judge_use(self) -> Verdict:
        return Verdict(Weight.QUESTION, f"Use {self._names.prefix} again?\nIt will count in sums and alarms.")
