"""The bias setpoint: what it is now, the range of the SiPM, a field for another value, and a button that writes it."""

# ruff: noqa: N802  (names of Qt and PyDM)
from __future__ import annotations

import re

from qtpy.QtGui import QKeyEvent
from qtpy.QtWidgets import QHBoxLayout, QLineEdit, QMessageBox, QPushButton, QVBoxLayout, QWidget

from alarms.text import one_line
from opi.bias_watch import BiasWatch
from opi.pv_writer import PvWriter
from opi.verdict import Verdict
from opi.widgets.badge import NO_VALUE, set_value
from opi.widgets.card import restyle, role_label
from opi.widgets.plain_text import set_plain_tip
from opi.widgets.question import Question
from sipmdcs.severity import Severity

_DECIMALS = 3
_MAX_CHARACTERS = 24
_MAX_VOLTS = 1e6
"""Beyond it numbers are shown with an exponent."""
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,2})?", re.ASCII)


def volts(value: float) -> str:
    """A voltage as it is shown."""
    return f"{value:.{_DECIMALS}f} V" if abs(value) < _MAX_VOLTS else f"{value:g} V"


class SetpointEntry(QWidget):
    """Nothing is written until *Set* or Return, and then only what the range of the SiPM allows; a large step asks first."""

    def __init__(self, bias: BiasWatch, writer: PvWriter, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._bias = bias
        self._writer = writer
        self._question = Question(self)
        self._sent: str | None = None
        self.present = role_label("---", "value", self)
        self.edit = QLineEdit(self)
        self.edit.setPlaceholderText("new value")
        self.button = QPushButton("Set", self)
        self.range = role_label("", "soft", self)
        line = QHBoxLayout()
        line.setSpacing(6)
        line.addWidget(self.edit, 1)
        line.addWidget(role_label("V", "", self))
        line.addWidget(self.button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        top = QHBoxLayout()
        top.addWidget(role_label("Setpoint", "soft", self))
        top.addWidget(self.present)
        top.addStretch(1)
        top.addWidget(self.range)
        layout.addLayout(top)
        layout.addLayout(line)
        self.edit.returnPressed.connect(self.send)
        self.edit.textEdited.connect(self._forget_refusal)
        self.button.clicked.connect(self.send)
        bias.changed.connect(self._show_present)
        writer.writable_changed.connect(self._show_access)
        writer.changed.connect(self._show_outcome)
        self._show_present()
        self._show_access()

    @property
    def dialog(self) -> QMessageBox | None:
        """The question while it is open."""
        return self._question.dialog

    def send(self) -> None:
        """Write what stands in the field, if it is a voltage that the SiPM may have; ask first if it needs that."""
        text = self.edit.text().strip().replace(",", ".")
        if len(text) > _MAX_CHARACTERS:  # a field with a maximum would cut what is pasted, and make another number of it
            self._writer.refuse(one_line(text, _MAX_CHARACTERS), f"longer than {_MAX_CHARACTERS} characters")
        elif text and not _NUMBER.fullmatch(text):  # float() also takes nan, inf and 5_6.5
            self._writer.refuse(one_line(text, _MAX_CHARACTERS), "not a number")
        elif text and float(text) != self._writer.pending:  # a Return key that is held down repeats
            self._send(float(text))

    def _send(self, value: float) -> None:
        def judge() -> Verdict:
            return self._bias.judge(value)

        def write() -> None:
            self._sent = self.edit.text()
            self._writer.write(value)

        def refuse(reason: str) -> None:
            self._writer.refuse(value, reason)

        self._question.ask("Set the bias", judge, write, refuse)

    def keyPressEvent(self, a0: QKeyEvent | None) -> None:
        """Escape empties the field."""
        if a0 is not None and a0.text() == "\x1b":
            self.edit.clear()
            self._forget_refusal()
            return
        super().keyPressEvent(a0)

    def _show_present(self) -> None:
        """The setpoint in the look of its severity: one that was refused stays in the record, but not as a value that holds."""
        setpoint, sipm = self._bias.setpoint, self._bias.range
        value = setpoint.value
        known = isinstance(value, int | float)
        valid = not known or setpoint.severity is not Severity.INVALID
        set_value(self.present, volts(value) if known else NO_VALUE, valid=valid)
        set_plain_tip(self.present, "" if valid else self._bias.message.text)
        self.range.setText(sipm.text)
        set_plain_tip(self.range, "\n".join(sipm.details))

    def _show_access(self) -> None:
        writable = self._writer.writable
        self.edit.setEnabled(writable)
        self.button.setEnabled(writable)
        set_plain_tip(self, self._writer.why_not)

    def _show_outcome(self) -> None:
        """Empty the field once the device holds what was sent, unless something else stands there by now."""
        outcome = self._writer.outcome
        if outcome is not None and outcome.ok and self.edit.text() == self._sent:
            self.edit.clear()
        restyle(self.edit, "state", "refused" if outcome is not None and not outcome.ok else "")

    def _forget_refusal(self) -> None:
        self._writer.forget()
