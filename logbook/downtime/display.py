"""Whether a window can be opened here."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from importlib.util import find_spec

DISPLAYS = ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")
_ASK_S = 10.0
# Qt ends the process that asks a display which is not there.
_QUESTION = "from PyQt6.QtGui import QGuiApplication; QGuiApplication([])"


def why_no_window(environment: Mapping[str, str]) -> str:
    """Why windows cannot be opened; empty if they can."""
    if not any(environment.get(name) for name in DISPLAYS):
        return "no display"
    if find_spec("qtpy") is None or find_spec("PyQt6") is None:
        return "Qt is not installed"
    if environment.get("QT_QPA_PLATFORM") in ("offscreen", "minimal"):
        return ""
    try:
        asked = subprocess.run(
            [sys.executable, "-c", _QUESTION], timeout=_ASK_S, check=False, capture_output=True, env=dict(environment)
        )
    except subprocess.TimeoutExpired:
        return "the display does not answer"
    return "" if asked.returncode == 0 else "the display does not answer"


def has_terminal() -> bool:
    """Somebody can be asked on standard input."""
    return sys.stdin is not None and sys.stdin.isatty() and sys.stdout.isatty()
