"""Pictures of screens for documents and tests, with or without a display."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Protocol

from qtpy.QtCore import QEventLoop
from qtpy.QtWidgets import QApplication, QWidget

from opi.timer import make_timer
from sipmdcs.errors import ServiceError

LOOK_MS = 200
SETTLE_S = 6.0
"""From all connected until the values of a poll and the history from the archive have come and are drawn."""


class Screen(Protocol):
    """What a screen says of its connections."""

    def connected_count(self) -> tuple[int, int]:
        """PVs that are connected, and all."""
        ...


def wait_for_screen(screen: Screen, wait_s: float) -> tuple[int, int]:
    """Let a screen connect and draw.

    Args:
        screen: shown already.
        wait_s: longest time until all its PVs are connected.

    Returns:
        PVs that are connected, and all.
    """
    loop = QEventLoop()
    started = time.monotonic()
    complete_at: float | None = None

    def look() -> None:
        nonlocal complete_at
        now = time.monotonic()
        connected, every = screen.connected_count()
        if connected == every and complete_at is None:
            complete_at = now
        if now - started > wait_s or (complete_at is not None and now - complete_at > SETTLE_S):
            loop.quit()

    timer = make_timer(loop, LOOK_MS, look)
    loop.exec()
    timer.stop()
    return screen.connected_count()


def save_picture(window: QWidget, path: Path) -> None:
    """Write what a window shows.

    Raises:
        ServiceError: the file cannot be written.
    """
    QApplication.processEvents()
    path.parent.mkdir(parents=True, exist_ok=True)
    if not window.grab().save(str(path)):
        raise ServiceError(f"{path}: picture cannot be written; is its name that of a .png or .jpg?")
