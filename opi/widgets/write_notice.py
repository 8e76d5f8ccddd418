"""What became of the last write to a PV, beside what it was written with."""

from __future__ import annotations

from collections.abc import Callable

from qtpy.QtWidgets import QVBoxLayout, QWidget

from opi.pv_writer import PvWriter
from opi.theme import ALARM_STYLES, UNDEFINED_STYLE
from opi.widgets.badge import Notice, set_badge
from opi.widgets.plain_text import PlainLabel
from sipmdcs.outcome import Result
from sipmdcs.severity import Severity

_STYLES = {
    Result.CLAMPED: ALARM_STYLES[Severity.MINOR],
    Result.REFUSED: ALARM_STYLES[Severity.MAJOR],
    Result.UNKNOWN: UNDEFINED_STYLE,
}


class WriteNotice(QWidget):
    """Takes no room while there is nothing to say: nothing was written, or the device holds it."""

    def __init__(self, writer: PvWriter, show_value: Callable[[float | int], str], parent: QWidget | None = None) -> None:
        """Follow the writes to one PV.

        Args:
            writer: of the PV.
            show_value: a value as the operator should read it.
            parent: as Qt has it.
        """
        super().__init__(parent)
        self._writer = writer
        self._show_value = show_value
        self.under_way = PlainLabel("", self)
        self.under_way.setProperty("role", "soft")
        self.under_way.setWordWrap(True)
        self.result = Notice(self)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self.under_way)
        layout.addWidget(self.result)
        writer.changed.connect(self._show)
        self._show()

    @property
    def text(self) -> str:
        """What it says."""
        return "\n".join(label.text() for label in (self.under_way, self.result) if label.text())

    def _show(self) -> None:
        pending, outcome = self._writer.pending, self._writer.outcome
        sent = "" if pending is None else f"Writing {self._show_value(pending)}, not confirmed yet …"
        self.under_way.setText(sent)
        if outcome is None or outcome.ok:
            self.result.setText("")
        else:
            wanted = outcome.wanted
            value = self._show_value(wanted) if isinstance(wanted, int | float) else str(wanted)
            set_badge(self.result, f"{value} {outcome.text}", _STYLES[outcome.result])
        self.under_way.setVisible(bool(sent))
        self.result.setVisible(bool(self.result.text()))
        self.setVisible(bool(self.text))
