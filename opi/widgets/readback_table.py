"""Readbacks one below the other: name, value in the look of its severity, bar with its limits."""

from __future__ import annotations

from collections.abc import Sequence

from pydm.widgets.channel import PyDMChannel
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QGridLayout, QLabel, QWidget

from opi.widgets.badge import NO_VALUE
from opi.widgets.card import restyle, role_label
from opi.widgets.limit_bar import LimitBar
from opi.widgets.plain_text import PlainValueLabel

VALUE_PX = 130


def readback_label(pv: str, parent: QWidget) -> PlainValueLabel:
    """A PyDM label in our look: unit and precision from the PV, dashes while nobody answers."""
    label = PlainValueLabel(parent, f"ca://{pv}")
    label.showUnits = True
    label.precisionFromPV = True
    label.alarmSensitiveContent = False
    label.alarmSensitiveBorder = True
    label.disconnectedText = NO_VALUE
    label.setText(NO_VALUE)
    label.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
    return label


class ReadbackTable(QWidget):
    """One line per PV."""

    def __init__(self, lines: Sequence[tuple[str, str]], parent: QWidget | None = None) -> None:
        """Make the lines.

        Args:
            lines: label and PV of each.
            parent: as Qt has it.
        """
        super().__init__(parent)
        self.labels: dict[str, PlainValueLabel] = {}
        self.bars: dict[str, LimitBar] = {}
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setHorizontalSpacing(10)
        grid.setVerticalSpacing(4)
        for line, (text, pv) in enumerate(lines):
            name: QLabel = role_label(text, "soft", self)
            label = readback_label(pv, self)
            label.setFixedWidth(VALUE_PX)
            grid.addWidget(name, line, 0)
            grid.addWidget(label, line, 1)
            self.labels[pv] = label
            self.bars[pv] = LimitBar(pv, self)
            grid.addWidget(self.bars[pv], line, 2)
        grid.setColumnStretch(2, 1)

    def channels(self) -> list[PyDMChannel]:
        """For PyDM's tools."""
        return [channel for bar in self.bars.values() for channel in bar.channels()]

    def connected_count(self) -> tuple[int, int]:
        """PVs that are connected, and all."""
        return sum(bar.connected for bar in self.bars.values()), len(self.bars)

    def show_stale(self, stale: bool) -> None:
        """Show the values as those of the past."""
        for label in self.labels.values():
            restyle(label, "stale", "yes" if stale else "no")

    def close_channels(self) -> None:
        """Stop following; the labels do so by themselves."""
        for bar in self.bars.values():
            bar.close_channels()
