r"""The log of the downtime logger: one line a step, for ``grep`` and for programs.

``2026-11-21T13:22:48.123456Z INFO 4711 called argument="Partition 1 …" host="pvetodaq1"``: UTC, level, process, step, then
facts as ``name=value``, texts in JSON quotes, so that no text can break a line. Several processes append at the same time.
"""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path

import click

from logbook.downtime.record import iso

Fact = str | int | float | datetime | None


class LogFile:
    """Appends; if it cannot, it says so once on stderr and the work goes on."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._silent = False

    def info(self, step: str, **facts: Fact) -> None:
        """An ordinary step."""
        self._write("INFO", step, facts)

    def failure(self, step: str, **facts: Fact) -> None:
        """Something that went wrong or was refused."""
        self._write("ERROR", step, facts)

    def _write(self, level: str, step: str, facts: dict[str, Fact]) -> None:
        line = format_line(datetime.now(UTC), level, os.getpid(), step, facts)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            # One write to a file opened for appending: lines of several processes do not mix.
            descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
            try:
                os.write(descriptor, line.encode("ascii"))
            finally:
                os.close(descriptor)
        except OSError as err:
            if not self._silent:
                click.echo(f"{self.path}: cannot be written: {err.strerror}", err=True)
            self._silent = True


def format_line(at: datetime, level: str, process: int, step: str, facts: dict[str, Fact]) -> str:
    """One line with its end, ASCII alone."""
    words = [at.strftime("%Y-%m-%dT%H:%M:%S.%fZ"), level, str(process), step]
    words += [f"{name}={_text(value)}" for name, value in facts.items()]
    return " ".join(words) + "\n"


def _text(value: Fact) -> str:
    if value is None:
        return "-"
    if isinstance(value, datetime):
        return iso(value)
    return json.dumps(value)
