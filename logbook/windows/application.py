"""The Qt application of the logbook's windows. Nothing else of the logbook needs Qt."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

# The binding must be named before qtpy is imported: PySide6 crashes at exit.
os.environ.setdefault("QT_API", "pyqt6")

from qtpy.QtCore import Qt
from qtpy.QtGui import QColor
from qtpy.QtWidgets import QApplication, QLabel, QWidget

DOWN = QColor("#b00020")
"""What goes on."""
TO_EXPLAIN = QColor("#8a5a00")
"""What nobody has explained."""
QUIET = QColor("#3d4552")
"""What is over."""


@cache
def application() -> QApplication:
    """The one of this process; kept, because windows die with it."""
    found = QApplication.instance()
    if isinstance(found, QApplication):
        return found
    made = QApplication(["sipmdcs"])
    made.setApplicationName("sipmdcs")
    return made


@contextmanager
def interruptible() -> Iterator[None]:
    """Ctrl-C ends the process at once: Python would see it only at the next event."""
    before = signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def plain_label(parent: QWidget | None = None) -> QLabel:
    """A label that shows what people wrote as they wrote it, never as markup, and wraps."""
    label = QLabel(parent)
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setWordWrap(True)
    return label


def complain(label: QLabel, text: str) -> None:
    """Show an error; an empty text takes it away."""
    label.setStyleSheet(f"color: {DOWN.name()}; font-weight: bold;")
    label.setText(text)
    label.setVisible(bool(text))
