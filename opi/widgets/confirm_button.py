"""A button that asks before it writes."""

from __future__ import annotations

from collections.abc import Callable

from qtpy.QtWidgets import QMessageBox, QPushButton, QWidget

from opi.pv_writer import PvWriter
from opi.verdict import Verdict
from opi.widgets.plain_text import set_plain_tip
from opi.widgets.question import Question


class ConfirmButton(QPushButton):
    """Writes one number to one PV, after a question whose default answer is no."""

    def __init__(
        self, text: str, writer: PvWriter, value: int, judge: Callable[[], Verdict], parent: QWidget | None = None
    ) -> None:
        """Make the button.

        Args:
            text: on the button.
            writer: of the PV; several buttons may share it.
            value: what to write.
            judge: called when the button is pressed and again when the question is answered: what the command needs.
            parent: as Qt has it.
        """
        super().__init__(text, parent)
        self._judge = judge
        self._value = value
        self._writer = writer
        self._question = Question(self)
        writer.writable_changed.connect(self._show_access)
        self.clicked.connect(self._ask)
        self._show_access()

    @property
    def dialog(self) -> QMessageBox | None:
        """The question while it is open."""
        return self._question.dialog

    def _show_access(self) -> None:
        self.setEnabled(self._writer.writable)
        set_plain_tip(self, self._writer.why_not)

    def _ask(self) -> None:
        self._question.ask(self.text(), self._judge, self._send, self._refuse)

    def _send(self) -> None:
        self._writer.write(self._value)

    def _refuse(self, reason: str) -> None:
        self._writer.refuse(self._value, reason)
