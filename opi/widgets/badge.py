"""A small boxed text: grey while quiet, in the colours and with the glyph of a severity otherwise."""

from __future__ import annotations

from qtpy.QtWidgets import QLabel, QWidget

from opi.theme import AlarmStyle
from opi.widgets.card import restyle, role_label


def make_badge(parent: QWidget) -> QLabel:
    """An empty badge."""
    return role_label("", "badge", parent)


def set_badge(badge: QLabel, text: str, style: AlarmStyle) -> None:
    """Give a badge a text and the look of a severity; the glyph stands before the text."""
    badge.setText(f"{style.glyph} {text}" if style.glyph else text)
    restyle(badge, "alarm", style.name)
