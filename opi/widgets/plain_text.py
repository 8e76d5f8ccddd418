"""The one place where labels, tool tips and questions are made: their text is shown as it is, never as HTML.

Descriptions, alarm messages, labels and units come from records and files that other people write. Qt takes any text that
looks like HTML for HTML unless it is told otherwise.
"""

from __future__ import annotations

from html import escape

from qtpy.QtCore import QPoint, Qt
from qtpy.QtWidgets import QLabel, QMessageBox, QToolTip, QWidget


def plain_label(text: str = "", parent: QWidget | None = None) -> QLabel:
    """A label that shows its text as it is, whatever text it gets later."""
    label = QLabel(parent)
    make_plain(label)
    label.setText(text)
    return label


def make_plain(label: QLabel) -> None:
    """Have a label, such as one of PyDM's, show every text as it is."""
    label.setTextFormat(Qt.TextFormat.PlainText)


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
    dialog.setText(text)
    dialog.setStandardButtons(QMessageBox.StandardButton.Yes | QMessageBox.StandardButton.No)
    dialog.setDefaultButton(QMessageBox.StandardButton.No)
    return dialog


def _as_html(text: str) -> str:
    """Tool tips have no format to choose, so that text is made HTML that shows as that text."""
    return f'<p style="white-space:pre">{escape(text)}</p>' if text else ""
