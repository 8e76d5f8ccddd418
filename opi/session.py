"""One run of the screens: application, windows, pictures. Import it only with the screens' environment set."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import NoReturn

from opi.application import OperatorApplication
from opi.channel import ChannelFaceplate
from opi.detector import ChannelNames
from opi.messages import install_message_handler
from opi.overview import Overview
from opi.screenshot import save_picture, wait_for_screen
from sipmdcs.channels_ca_repeater import ensure_repeater
from sipmdcs.errors import ServiceError
from sipmdcs.site import Site

Screen = Overview | ChannelFaceplate
Size = tuple[int, int]


class Session:
    """The application with the screens of one site."""

    def __init__(self, site: Site, *, read_only: bool = False) -> None:
        install_message_handler()
        ensure_repeater()
        self._site = site
        self._application = OperatorApplication(read_only=read_only)

    def overview(self) -> Overview:
        """The overview, not shown yet."""
        return Overview(macros={"SITE": str(self._site.folder)})

    def channel(self, names: ChannelNames) -> ChannelFaceplate:
        """The faceplate of a channel, not shown yet."""
        return ChannelFaceplate(macros={"SITE": str(self._site.folder), "P": names.controller, "R": names.channel})

    def run(self, screen: Screen, size: Size, *, fullscreen: bool) -> int:
        """Show a screen until its last window is closed.

        Returns:
            Qt's exit status.
        """
        screen.resize(*size)
        if fullscreen:
            screen.showFullScreen()
        else:
            screen.show()
        return self._application.exec()

    def picture(self, screen: Screen, size: Size, wait_s: float, path: Path, *, dead: bool = False) -> tuple[int, int]:
        """Show a screen, wait until it is drawn, and save its picture.

        Args:
            screen: what to show.
            size: of the window, pixels.
            wait_s: longest time until all its PVs are connected.
            path: of the picture.
            dead: a screen on which nothing connected is worth a picture, too.

        Returns:
            PVs that were connected, and all.

        Raises:
            ServiceError: nothing connected, or the file cannot be written.
        """
        screen.resize(*size)
        screen.show()
        connected, every = wait_for_screen(screen, wait_s)
        if connected == 0 and not dead:
            raise ServiceError(f"none of the {every} PVs of the screen connected within {wait_s:g} s; are the IOCs up?")
        save_picture(screen, path)
        screen.close()
        return connected, every

    @staticmethod
    def leave(status: int) -> NoReturn:
        """End the process at once: Qt, pyqtgraph and libca taken apart by the interpreter crash now and then."""
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
