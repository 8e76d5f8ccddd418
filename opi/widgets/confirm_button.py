"""A button that asks before it writes."""

from __future__ import annotations

from collections.abc import Callable

from pydm.widgets.channel import PyDMChannel
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QMessageBox, QPushButton, QWidget

from opi.pv_writer import PvWriter
from opi.qt_signal import Signal


class ConfirmButton(QPushButton):
    """Writes one number to one PV, after a question whose default answer is no.

    The question does not block: alarms and values behind it go on.
    """

    message = Signal(str)
    """What became of the write; empty when it was done."""

    def __init__(
        self,
        text: str,
        pv: str,
        value: int,
        question: Callable[[], str],
        parent: QWidget | None = None,
        *,
        momentary: bool = False,
    ) -> None:
        """Make the button.

        Args:
            text: on the button.
            pv: the PV.
            value: what to write.
            question: called when the button is pressed, so that it can tell present values.
            parent: as Qt has it.
            momentary: the record goes back by itself.
        """
        super().__init__(text, parent)
        self._question = question
        self._value = value
        self.dialog: QMessageBox | None = None
        """The question while it is open."""
        self.writer = PvWriter(pv, self, momentary=momentary)
        self.writer.writable_changed.connect(self._show_access)
        self.writer.failed.connect(self.message)
        self.writer.done.connect(self._report_done)
        self.clicked.connect(self._ask)
        self._show_access()

    def channels(self) -> list[PyDMChannel]:
        """For PyDM's tools."""
        return self.writer.channels()

    def close_channels(self) -> None:
        """Stop following."""
        self.writer.close()

    def _show_access(self) -> None:
        self.setEnabled(self.writer.writable)
        self.setToolTip(self.writer.why_not)

    def _ask(self) -> None:
        if self.dialog is not None:
            self.dialog.raise_()
            return
        dialog = QMessageBox(QMessageBox.Icon.NoIcon, self.text(), self._question(), parent=self.window())
        dialog.setStandardButtons(QMessageBox.StandardButton.Yes | QMessageBox.StandardButton.No)
        dialog.setDefaultButton(QMessageBox.StandardButton.No)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.finished.connect(self._answered)
        self.dialog = dialog
        dialog.open()

    def _answered(self, answer: int) -> None:
        self.dialog = None
        if answer == QMessageBox.StandardButton.Yes.value:
            self.writer.write(self._value)

    def _report_done(self) -> None:
        self.message.emit("")
