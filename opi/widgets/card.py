"""The frame that every group of a screen stands in."""

from __future__ import annotations

from qtpy.QtCore import QEvent
from qtpy.QtWidgets import QApplication, QFrame, QHBoxLayout, QLabel, QVBoxLayout, QWidget

from opi.widgets.plain_text import PlainLabel


def role_label(text: str, role: str, parent: QWidget | None = None) -> QLabel:
    """A label of plain text whose look ``style.qss`` gives by its role."""
    label = PlainLabel(text, parent)
    label.setProperty("role", role)
    return label


def restyle(widget: QWidget, name: str, value: str) -> None:
    """Set a property that ``style.qss`` selects by, and have the style looked up again if it is another."""
    if widget.property(name) == value:
        return
    widget.setProperty(name, value)
    style = widget.style()
    if style is not None:
        style.unpolish(widget)
        style.polish(widget)
        # Frame and padding of a label are those of the style it had, until it hears of another.
        QApplication.sendEvent(widget, QEvent(QEvent.Type.StyleChange))


class Card(QFrame):
    """A titled frame; further widgets may stand in the title line."""

    def __init__(self, title: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("card")
        self.body = QVBoxLayout(self)
        self.body.setContentsMargins(8, 6, 8, 8)
        self.body.setSpacing(6)
        self.heading = QHBoxLayout()
        self.heading.setSpacing(6)
        self.title = role_label(title, "cardTitle", self)
        self.heading.addWidget(self.title)
        self.heading.addStretch(1)
        self.body.addLayout(self.heading)
