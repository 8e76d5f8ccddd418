"""A set-point: what it is now, a field for another value, and a button that writes it."""

# ruff: noqa: N802  (names of Qt and PyDM)
from __future__ import annotations

import re

from pydm.widgets.channel import PyDMChannel
from qtpy.QtGui import QKeyEvent
from qtpy.QtWidgets import QHBoxLayout, QLabel, QLineEdit, QPushButton, QVBoxLayout, QWidget

from opi.pv_writer import PvWriter
from opi.qt_signal import Signal
from opi.widgets.card import restyle, role_label

_DECIMALS = 3
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,2})?", re.ASCII)


class SetpointEntry(QWidget):
    """Nothing is written until *Set* or Return; a value outside the limits of the PV is refused here and not sent."""

    message = Signal(str)
    """What became of the write; empty when it was done."""

    def __init__(self, pv: str, unit: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._unit = unit
        self._low = float("-inf")
        self._high = float("inf")
        self.writer = PvWriter(pv, self, tolerance=0.5 * 10**-_DECIMALS)
        self._limits = PyDMChannel(
            address=f"ca://{pv}",
            value_slot=self._show_value,
            lower_ctrl_limit_slot=self._set_low,
            upper_ctrl_limit_slot=self._set_high,
        )
        self._limits.connect()
        self.present = role_label("---", "value", self)
        self.edit = QLineEdit(self)
        self.edit.setPlaceholderText("new value")
        self.button = QPushButton("Set", self)
        self.range = role_label("", "soft", self)
        line = QHBoxLayout()
        line.setSpacing(6)
        line.addWidget(self.edit, 1)
        line.addWidget(QLabel(unit, self))
        line.addWidget(self.button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        top = QHBoxLayout()
        top.addWidget(role_label("Set-point", "soft", self))
        top.addWidget(self.present)
        top.addStretch(1)
        top.addWidget(self.range)
        layout.addLayout(top)
        layout.addLayout(line)
        self.edit.returnPressed.connect(self.send)
        self.edit.textEdited.connect(self._forget_refusal)
        self.button.clicked.connect(self.send)
        self.writer.writable_changed.connect(self._show_access)
        self.writer.failed.connect(self._refuse)
        self.writer.done.connect(self._report_done)
        self._show_access()

    def send(self) -> None:
        """Write what stands in the field, if it is a number within the limits."""
        text = self.edit.text().strip().replace(",", ".")
        if not _NUMBER.fullmatch(text):  # float() also takes nan, inf and 5_6.5
            self._refuse(f"{text or 'nothing'} is not a number")
            return
        value = float(text)
        if not self._low <= value <= self._high:
            self._refuse(f"{value:g} {self._unit} is not within {self._range_text()}")
            return
        self.message.emit(f"setting {value:.{_DECIMALS}f} {self._unit} …")
        self.writer.write(value)

    def channels(self) -> list[PyDMChannel]:
        """For PyDM's tools."""
        return [*self.writer.channels(), self._limits]

    def close_channels(self) -> None:
        """Stop following."""
        self.writer.close()
        self._limits.disconnect()

    def keyPressEvent(self, a0: QKeyEvent | None) -> None:
        """Escape empties the field."""
        if a0 is not None and a0.text() == "\x1b":
            self.edit.clear()
            self._forget_refusal()
            return
        super().keyPressEvent(a0)

    def _range_text(self) -> str:
        return f"{self._low:g} … {self._high:g} {self._unit}"

    def _set_low(self, limit: float) -> None:
        self._low = float(limit)
        self._show_range()

    def _set_high(self, limit: float) -> None:
        self._high = float(limit)
        self._show_range()

    def _show_range(self) -> None:
        if self._low == self._high:  # EPICS says by equal limits that there are none
            self._low, self._high = float("-inf"), float("inf")
        known = abs(self._low) != float("inf") and abs(self._high) != float("inf")
        self.range.setText(self._range_text() if known else "")

    def _show_value(self, value: float) -> None:
        self.present.setText(f"{value:.{_DECIMALS}f} {self._unit}")

    def _show_access(self) -> None:
        writable = self.writer.writable
        self.edit.setEnabled(writable)
        self.button.setEnabled(writable)
        self.setToolTip(self.writer.why_not)
        if not self.writer.connected:
            self.present.setText("---")

    def _refuse(self, why: str) -> None:
        restyle(self.edit, "state", "refused")
        self.message.emit(why)

    def _forget_refusal(self) -> None:
        restyle(self.edit, "state", "")
        self.message.emit("")

    def _report_done(self) -> None:
        self.edit.clear()
        restyle(self.edit, "state", "")
        self.message.emit("")
