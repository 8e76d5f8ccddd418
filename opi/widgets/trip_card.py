"""Trip, its cause and its reset; and taking a bad channel out."""

from __future__ import annotations

from pydm.widgets.channel import PyDMChannel
from qtpy.QtWidgets import QGridLayout, QWidget

from opi.detector import ChannelNames
from opi.pv_watch import PvWatch
from opi.theme import ALARM_STYLES, UNDEFINED_STYLE
from opi.widgets.badge import make_badge, set_badge
from opi.widgets.card import Card, role_label
from opi.widgets.confirm_button import ConfirmButton
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
        self.reset = ConfirmButton("Reset …", names.pv("TRIP_RESET"), 1, self._question_reset, self, momentary=True)
        self.mask_button = ConfirmButton("Mask …", names.pv("MASK"), 1, self._question_mask, self)
        self.use_button = ConfirmButton("Use …", names.pv("MASK"), 0, self._question_use, self)
        self.notice = role_label("", "soft", self)
        self.notice.setWordWrap(True)
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
        self.body.addWidget(self.notice)
        for watch in (self._trip, self._cause, self._mask):
            watch.changed.connect(self._show)
        for button in (self.reset, self.mask_button, self.use_button):
            button.message.connect(self.notice.setText)
        self._show()

    def channels(self) -> list[PyDMChannel]:
        """For PyDM's tools."""
        sources = (self._trip, self._cause, self._mask, self.reset, self.mask_button, self.use_button)
        return [channel for source in sources for channel in source.channels()]

    def close_channels(self) -> None:
        """Stop following."""
        for watch in (self._trip, self._cause, self._mask):
            watch.close()
        for button in (self.reset, self.mask_button, self.use_button):
            button.close_channels()

    def _show(self) -> None:
        if self._trip.value is None:
            set_badge(self.trip, "NOT CONNECTED", UNDEFINED_STYLE)
        elif self._trip.value:
            set_badge(self.trip, f"{self._trip.text}: {self._cause.text}", ALARM_STYLES[Severity.MAJOR])
        else:
            last = f", last: {self._cause.text}" if self._cause.value else ""
            set_badge(self.trip, f"{self._trip.text}{last}", ALARM_STYLES[Severity.NO_ALARM])
        masked = self._mask.value == 1
        if self._mask.value is None:
            set_badge(self.use, "NOT CONNECTED", UNDEFINED_STYLE)
        else:
            text = "masked: left out of sums and alarms" if masked else "used"
            set_badge(self.use, text, ALARM_STYLES[Severity.NO_ALARM])
        self.mask_button.setVisible(not masked)
        self.use_button.setVisible(masked)

    def _question_reset(self) -> str:
        return f"Reset the trip of {self._names.prefix}?\nCause: {self._cause.text or 'unknown'}. The channel stays off."

    def _question_mask(self) -> str:
        return f"Mask {self._names.prefix}?\nIt will be left out of sums and alarms."

    def _question_use(self) -> str:
        return f"Use {self._names.prefix} again?\nIt will count in sums and alarms."
