"""How log lines look, how errors are counted, and where the traceback of an unexpected one goes.

Every process logs to stderr; the supervisor puts that into ``var/log/SERVICE.log``. A line reads
``2026-11-21T10:02:03.123Z ERROR archiver.capture: text``.
"""

from __future__ import annotations

import logging
import os
import re
import time
import traceback
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from sipmdcs.redaction import redact

LEVELS = ("debug", "info", "warning", "error")
"""Choices of ``--log-level``."""

_ERROR_LINE = re.compile(r"\S+Z (?:ERROR|CRITICAL) (?P<text>.+)")
_RAISED_LINE = re.compile(r"(?:Error: |[A-Za-z_][\w.]*(?:Error|Exception|Exit|Interrupt|Refused|BadInput)\b(?!\.\.))")
"""Not ``CA.Client.Exception....``, with which libca begins to tell that a server went away."""


class UtcFormatter(logging.Formatter):
    """Log lines with UTC time to the millisecond, without passwords."""

    converter = time.gmtime

    def __init__(self) -> None:
        super().__init__("%(asctime)s.%(msecs)03dZ %(levelname)s %(name)s: %(message)s", "%Y-%m-%dT%H:%M:%S")

    def format(self, record: logging.LogRecord) -> str:
        return redact(super().format(record))


def configure_logging(level: str) -> None:
    """Send records of at least ``level`` (one of ``LEVELS``) to stderr; a second call replaces the first."""
    handler = logging.StreamHandler()
    handler.setFormatter(UtcFormatter())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)


class ErrorCounter(logging.Handler):
    """Counts records of level ERROR and above, and keeps the newest."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.count = 0
        """Errors since the process started."""
        self.last = ""
        """Text of the newest error, one line."""

    def emit(self, record: logging.LogRecord) -> None:
        self.count += 1
        self.last = redact(record.getMessage().partition("\n")[0])


def last_error(lines: Iterable[str]) -> str:
    """The newest complaint in the log of a service: an ERROR record, or how an exception ended; empty if none."""
    found = ""
    for line in lines:
        if match := _ERROR_LINE.match(line):
            found = match["text"]
        elif _RAISED_LINE.match(line):
            found = line.removeprefix("Error: ").strip()
    return found


def write_traceback(err: BaseException, folder: Path | None) -> Path:
    """Append a traceback to ``errors.log`` and say where that is.

    Args:
        err: the exception.
        folder: log folder of the site; where it is not given or not writable, the user's own state folder is used.
    """
    home_state = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "sipmdcs"
    trace = redact("".join(traceback.format_exception(err)))
    text = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ} pid {os.getpid()}\n{trace}\n"
    for place in (folder, home_state):
        if place is None:
            continue
        path = place / "errors.log"
        try:
            place.mkdir(parents=True, exist_ok=True)
            with path.open("a", encoding="utf-8") as file:
                file.write(text)
        except OSError as reason:
            logging.getLogger(__name__).warning("%s cannot be written: %s", path, reason.strerror)
            continue
        return path
    logging.getLogger(__name__).error("%s", text)
    return Path("stderr")
