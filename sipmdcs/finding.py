"""What a check found, for ``sipmdcs doctor``."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How a check ended."""

    OK = "ok"
    WARN = "warn"
    """It works, but not as well as it could."""
    FAIL = "FAIL"
    """The site, or a part of it, does not work like this."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the doctor."""

    check: str
    """What was looked at, one or two words."""
    level: Level
    text: str
    """What was found."""
    next_step: str = ""
    """What to do about it; empty if all is well."""
