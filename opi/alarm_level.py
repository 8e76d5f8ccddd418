"""How the levels of the alarm service look."""

from __future__ import annotations

from alarms.level import Level
from opi.theme import ALARM_STYLES, UNDEFINED_STYLE, AlarmStyle
from sipmdcs.severity import Severity

_SEVERITY = {1: Severity.MINOR, 2: Severity.MAJOR, 3: Severity.INVALID}


def level_style(level: Level) -> AlarmStyle:
    """How a level looks; whether it is acknowledged is for the widget to show."""
    if level is Level.OK:
        return ALARM_STYLES[Severity.NO_ALARM]
    kind = level if level < Level.MINOR else level - Level.UNDEFINED_ACK
    return ALARM_STYLES[_SEVERITY[kind]] if kind in _SEVERITY else UNDEFINED_STYLE
