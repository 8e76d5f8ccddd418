"""The Qt application of the screens. Import it only after ``environment.screen_environment`` is in the environment."""

from __future__ import annotations

from collections.abc import Sequence

import pyqtgraph
from pydm.application import PyDMApplication
from qtpy.QtGui import QFont

from opi.archive_plugin import install_archive_plugin
from opi.reconcile import Reconciler
from opi.theme import PALETTE, TEXT_FONT, TEXT_PX, stylesheet


class OperatorApplication(PyDMApplication):
    """PyDM's application with our style, fonts and connection repair; screens are opened by whoever made it."""

    def __init__(self, arguments: Sequence[str] = (), *, read_only: bool = False) -> None:
        """Start.

        Args:
            arguments: of Qt.
            read_only: refuse every write, as on a wall display.
        """
        super().__init__(command_line_args=["sipmdcs", *arguments], use_main_window=False, read_only=read_only)
        self.setApplicationName("sipmdcs")
        # One style on every machine; the desktop's own would change sizes and colours.
        self.setStyle("Fusion")
        font = QFont(TEXT_FONT)
        font.setPixelSize(TEXT_PX)
        self.setFont(font)
        self.setStyleSheet(stylesheet())
        pyqtgraph.setConfigOptions(antialias=True, background=PALETTE.plot, foreground=PALETTE.text_soft)
        install_archive_plugin()
        self.reconciler = Reconciler(self)
