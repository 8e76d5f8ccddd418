"""A small boxed text: grey while quiet, in the colours and with the glyph of a severity otherwise."""

# ruff: noqa: N802  (names of Qt)
from __future__ import annotations

from qtpy.QtGui import QResizeEvent
from qtpy.QtWidgets import QLabel, QWidget

from opi.theme import AlarmStyle
from opi.widgets.card import restyle, role_label
from opi.widgets.plain_text import PlainLabel

NO_VALUE = "---"
"""Text where nobody answers."""

_MARGIN_PX = 5
_MIN_WIDTH_PX = 160
"""A label that is not laid out yet is narrower, and would be as high as a word a line."""


def make_badge(parent: QWidget) -> QLabel:
    """An empty badge."""
    return role_label("", "badge", parent)


class Notice(PlainLabel):
    """A badge whose text may take several lines, and which is as high as they are."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__("", parent)
        self.setWordWrap(True)
        self.setProperty("role", "badge")
        self.setProperty("lines", "several")
        # Qt leaves the padding of a style sheet out where it works out the height of several lines.
        self.setMargin(_MARGIN_PX)

    def setText(self, a0: str | None) -> None:
        """Show another text."""
        super().setText(a0)
        self._fit()

    def resizeEvent(self, a0: QResizeEvent | None) -> None:
        """Another width may take another number of lines."""
        super().resizeEvent(a0)
        self._fit()

    def _fit(self) -> None:
        self.setMinimumHeight(0)  # Qt counts it into the height for a width
        if self.text() and self.width() >= _MIN_WIDTH_PX:
            self.setMinimumHeight(self.heightForWidth(self.width()))


def set_value(label: QLabel, text: str, *, valid: bool) -> None:
    """Give a label a value; one that does not hold gets a question mark and the look of INVALID."""
    restyle(label, "alarm", "OK" if valid else "INVALID")
    restyle(label, "role", "value" if valid else "badge")
    label.setText(text if valid else f"? {text}")


def set_badge(badge: QLabel, text: str, style: AlarmStyle) -> None:
    """Give a badge a text and the look of a severity; the glyph stands before the text."""
    restyle(badge, "alarm", style.name)  # before the text, whose size depends on it
    badge.setText(f"{style.glyph} {text}" if style.glyph else text)
