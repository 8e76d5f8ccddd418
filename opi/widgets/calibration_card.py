"""What is known of the SiPM of a channel: breakdown voltage, trip level, and what the analysis measured."""

from __future__ import annotations

from pydm.widgets.channel import PyDMChannel
from qtpy.QtWidgets import QGridLayout, QWidget

from opi.detector import ChannelNames
from opi.widgets.card import Card, role_label
from opi.widgets.measured_label import MeasuredLabel
from opi.widgets.readback_table import readback_label

SETTINGS = (("Breakdown voltage", "VBR"), ("at temperature", "VBR_TREF"), ("Trips above", "CURRENT_LIMIT"))
MEASURED = (("Gain", "GAIN", 0, "e"), ("Dark rate", "DARK_RATE", 1, "kHz"), ("Crosstalk", "CROSSTALK", 2, "%"))


class CalibrationCard(Card):
    """Settings, then results of the analysis."""

    def __init__(self, names: ChannelNames, parent: QWidget | None = None) -> None:
        super().__init__("Calibration", parent)
        self.measured = {
            suffix: MeasuredLabel(names.pv(suffix), decimals, unit, self) for _, suffix, decimals, unit in MEASURED
        }
        grid = QGridLayout()
        grid.setVerticalSpacing(4)
        for line, (text, suffix) in enumerate(SETTINGS):
            grid.addWidget(role_label(text, "soft", self), line, 0)
            grid.addWidget(readback_label(names.pv(suffix), self), line, 1)
        for line, (text, suffix, *_) in enumerate(MEASURED, len(SETTINGS)):
            grid.addWidget(role_label(text, "soft", self), line, 0)
            grid.addWidget(self.measured[suffix], line, 1)
        grid.setColumnStretch(1, 1)
        self.body.addLayout(grid)

    def channels(self) -> list[PyDMChannel]:
        """For PyDM's tools."""
        return [channel for label in self.measured.values() for channel in label.channels()]

    def close_channels(self) -> None:
        """Stop following; PyDM's labels do so by themselves."""
        for label in self.measured.values():
            label.close_channels()
