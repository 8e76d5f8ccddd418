"""The one place where labels, tool tips and questions are made: their text is shown as it is, never as HTML.

Descriptions, alarm messages, labels and units come from records and files that other people write. Qt takes any text that
looks like HTML for HTML unless it is told otherwise, turns the direction of what follows a mark for that, and takes a minute
to break a long text into lines.
"""

# ruff: noqa: N802  (names of Qt)
from __future__ import annotations

from html import escape

from pydm.widgets.label import PyDMLabel
from qtpy.QtCore import QPoint, Qt
from qtpy.QtWidgets import QLabel, QMessageBox, QToolTip, QWidget

from alarms.text import one_line, some_lines

MAX_CHARACTERS = 10_000
"""Of a text; the guidance of an alarm may have any length."""

_MAX_VALUE = 100
"""Characters of a value with its unit."""


class PlainLabel(QLabel):
    """A label that shows its text as it is, whatever text it gets."""

    def __init__(self, text: str = "", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setText(text)

    def setText(self, a0: str | None) -> None:
        """Show another text."""
        super().setText(_shown(a0 or ""))


class PlainValueLabel(PyDMLabel):
    """PyDM's label of the same kind; its value and unit stand on one line."""

    def __init__(self, parent: QWidget | None = None, init_channel: str | None = None) -> None:
        super().__init__(parent, init_channel=init_channel)
        self.setTextFormat(Qt.TextFormat.PlainText)

    def setText(self, a0: str | None) -> None:
        """Show another text."""
        super().setText(one_line(a0 or "", _MAX_VALUE))


def set_plain_tip(widget: QWidget, text: str) -> None:
    """Give a widget a tool tip; an empty text takes it away."""
    widget.setToolTip(_as_html(text))


def show_plain_tip(place: QPoint, text: str, widget: QWidget) -> None:
    """Show a tool tip at a place of the display, or hide the one that is shown if the text is empty."""
    if text:
        QToolTip.showText(place, _as_html(text), widget)
    else:
        QToolTip.hideText()


def plain_question(title: str, text: str, parent: QWidget) -> QMessageBox:
    """A question with yes and no; no is what Return and Escape answer."""
    dialog = QMessageBox(parent)
    dialog.setTextFormat(Qt.TextFormat.PlainText)
    dialog.setWindowTitle(title)
    dialog.setText(_shown(text))
    dialog.setStandardButtons(QMessageBox.StandardButton.Yes | QMessageBox.StandardButton.No)
    dialog.setDefaultButton(QMessageBox.StandardButton.No)
    return dialog


def _shown(text: str) -> str:
    """A text without what cannot be printed or turns the direction of writing, and not endless."""
    return some_lines(text, MAX_CHARACTERS) + ("…" if len(text) > MAX_CHARACTERS else "")


def _as_html(text: str) -> str:
    """Tool tips have no format to choose, so that text is made HTML that shows as that text."""
    return f'<p style="white-space:pre">{escape(_shown(text))}</p>' if text else ""
