"""Further screens in windows of this same process: opening one takes a fraction of a second, not a new program's start."""

from __future__ import annotations

from collections.abc import Mapping

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QWidget

from opi.detector import ChannelNames

FACEPLATE_SIZE = (1080, 700)

_open: dict[str, QWidget] = {}
"""Faceplates by channel; Qt would destroy a window that nobody holds."""


def open_windows() -> dict[str, QWidget]:
    """Faceplates that are open, by channel."""
    return dict(_open)


def open_faceplate(names: ChannelNames, macros: Mapping[str, str]) -> QWidget:
    """Open the faceplate of a channel, or bring the one that is open to the front."""
    from opi.channel import ChannelFaceplate  # it opens further faceplates itself

    window = _open.get(names.prefix)
    if window is None:
        window = ChannelFaceplate(macros={**macros, "P": names.controller, "R": names.channel})
        window.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        window.destroyed.connect(lambda: _open.pop(names.prefix, None))
        window.resize(*FACEPLATE_SIZE)
        _open[names.prefix] = window
    window.show()
    window.raise_()
    window.activateWindow()
    return window
