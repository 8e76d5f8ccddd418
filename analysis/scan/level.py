"""A voltage as people give it: ``54.5``, or relative to the breakdown voltage of each channel: ``VBR-2``, ``VBR+4``."""

from __future__ import annotations

import re
from dataclasses import dataclass

from sipmdcs.errors import BadInput

_RELATIVE = re.compile(r"VBR\s*(?:(?P<sign>[+-])\s*(?P<volts>\d+(?:\.\d*)?))?", re.IGNORECASE)
_ABSOLUTE = re.compile(r"\d+(?:\.\d*)?")


@dataclass(frozen=True, slots=True)
class Level:
    """A voltage, or a distance from the breakdown voltage."""

    volts: float
    relative: bool = False

    def at(self, breakdown_V: float) -> float:
        """The voltage for a channel, V."""
        return self.volts + (breakdown_V if self.relative else 0.0)


def parse_level(text: str) -> Level:
    """Read a level.

    Raises:
        BadInput: it is neither a voltage nor ``VBR`` plus or minus one.
    """
    words = text.strip()
    if match := _RELATIVE.fullmatch(words):
        distance = float(match["volts"] or 0)
        return Level(-distance if match["sign"] == "-" else distance, relative=True)
    if _ABSOLUTE.fullmatch(words):
        return Level(float(words))
    raise BadInput(f"{text!r} is no voltage, expected such as 54.5, VBR-2 or VBR+4")
