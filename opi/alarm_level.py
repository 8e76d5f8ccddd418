"""Levels that the alarm service writes to its state PVs: those of Phoebus (``SeverityLevel``), 0 to 8."""

from __future__ import annotations

from enum import IntEnum

from opi.theme import ALARM_STYLES, UNDEFINED_STYLE, AlarmStyle
from sipmdcs.severity import Severity


class AlarmLevel(IntEnum):
    """Higher is worse; every level that nobody has acknowledged is worse than all that somebody has."""

    OK = 0
    MINOR_ACK = 1
    MAJOR_ACK = 2
    INVALID_ACK = 3
    UNDEFINED_ACK = 4
    MINOR = 5
    MAJOR = 6
    INVALID = 7
    UNDEFINED = 8

    @property
    def acknowledged(self) -> bool:
        """Somebody has taken notice."""
        return AlarmLevel.OK < self < AlarmLevel.MINOR


_SEVERITY = {1: Severity.MINOR, 2: Severity.MAJOR, 3: Severity.INVALID}


def level_style(level: AlarmLevel) -> AlarmStyle:
    """How a level looks; whether it is acknowledged is for the widget to show."""
    if level is AlarmLevel.OK:
        return ALARM_STYLES[Severity.NO_ALARM]
    kind = level if level < AlarmLevel.MINOR else level - AlarmLevel.UNDEFINED_ACK
    return ALARM_STYLES[_SEVERITY[kind]] if kind in _SEVERITY else UNDEFINED_STYLE
