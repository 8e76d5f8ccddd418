"""Where Qt's own messages go: to the log, like everything else."""

from __future__ import annotations

import logging
import sys
from types import TracebackType

from qtpy.QtCore import QMessageLogContext, QtMsgType, qInstallMessageHandler

_LEVELS = {
    QtMsgType.QtDebugMsg: logging.DEBUG,
    QtMsgType.QtInfoMsg: logging.INFO,
    QtMsgType.QtWarningMsg: logging.WARNING,
    QtMsgType.QtCriticalMsg: logging.ERROR,
    QtMsgType.QtFatalMsg: logging.CRITICAL,
}
_HARMLESS = ("This plugin does not support propagateSizeHints()", "QStandardPaths: XDG_RUNTIME_DIR not set")
"""Said of every window that has no display."""

_log = logging.getLogger("qt")
_slots = logging.getLogger("opi.slots")


def install_message_handler() -> None:
    """Log Qt's messages, and exceptions in slots, which would otherwise end the program without a word."""
    qInstallMessageHandler(_log_message)
    sys.excepthook = _log_exception


def _log_message(kind: QtMsgType, context: QMessageLogContext, message: str | None) -> None:
    del context
    text = message or ""
    level = logging.DEBUG if text.startswith(_HARMLESS) else _LEVELS.get(kind, logging.WARNING)
    _log.log(level, "%s", text)


def _log_exception(kind: type[BaseException], err: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, err, trace)
        return
    _slots.error("error in a screen: %s", err, exc_info=(kind, err, trace))
