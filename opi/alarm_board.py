"""The banner of the alarm service, as it publishes it in ``DET:ALARM:LATEST`` and ``LATEST_LEVELS``: pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from alarms.level import Level
from alarms.text import one_line

MAX_TEXT = 200
"""Characters of a name or reason that are shown."""


@dataclass(frozen=True, slots=True)
class AlarmRow:
    """One alarm that nobody has acknowledged."""

    level: Level
    pv: str
    text: str
    """Value and reason."""
    time: str
    """When it came, ``HH:MM:SS`` UTC."""


def read_banner(characters: Iterable[float], levels: Iterable[float]) -> list[AlarmRow]:
    """Rows of the banner, newest first.

    Args:
        characters: codes of the text: lines ``TIME LEVEL PV VALUE MESSAGE``, ended by a zero.
        levels: codes 0 to 8 of the lines; a single 0 if there is none.
    """
    text = bytes(int(code) % 256 for code in characters).partition(b"\0")[0].decode("latin-1")
    rows: list[AlarmRow] = []
    lines = text.split("\n") if text else ()  # splitlines() parts at a dozen other signs, too
    for line, level in zip(lines, levels, strict=False):
        time, _, rest = line.partition(" ")
        _, _, rest = rest.partition(" ")
        pv, _, reason = rest.partition(" ")
        rows.append(AlarmRow(_level(level), *(one_line(part, MAX_TEXT) for part in (pv, reason, time))))
    return rows


def _level(code: float) -> Level:
    return Level(int(code)) if 0 <= code < len(Level) else Level.UNDEFINED
