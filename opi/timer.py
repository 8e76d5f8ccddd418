"""Timers of screens, made in one line."""

from __future__ import annotations

from collections.abc import Callable

from qtpy.QtCore import QObject, QTimer


def make_timer(parent: QObject, interval_ms: int, slot: Callable[[], object], *, once: bool = False) -> QTimer:
    """A timer that calls ``slot``; not started if it fires only ``once``, running otherwise."""
    timer = QTimer(parent)
    timer.setInterval(interval_ms)
    timer.setSingleShot(once)
    timer.timeout.connect(slot)
    if not once:
        timer.start()
    return timer
