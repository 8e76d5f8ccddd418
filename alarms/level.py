"""Alarm levels and their two orders, as in Phoebus.

The numbers 0 to 8 are what Phoebus writes to its severity PVs (``SeverityLevel``), so that screens made for it read ours.
"""

from __future__ import annotations

from enum import IntEnum

from sipmdcs.severity import Severity


class Level(IntEnum):
    """How bad an alarm is and whether somebody has acknowledged it.

    The numeric order is the order *across* PVs: for lists and for rolling up a tree, any active alarm outranks every
    acknowledged one. The order *within* one PV is ``rank``.
    """

    OK = 0
    MINOR_ACK = 1
    MAJOR_ACK = 2
    INVALID_ACK = 3
    UNDEFINED_ACK = 4
    MINOR = 5
    MAJOR = 6
    INVALID = 7
    UNDEFINED = 8
    """No such PV, or not connected."""

    @property
    def active(self) -> bool:
        """An alarm that nobody has acknowledged."""
        return self >= Level.MINOR

    @property
    def is_acknowledged(self) -> bool:
        """An alarm that somebody has acknowledged."""
        return Level.OK < self < Level.MINOR

    @property
    def rank(self) -> int:
        """Order within one PV: OK, MINOR, MINOR_ACK, MAJOR, MAJOR_ACK, and so on.

        An update raises the alarm of a PV only if it ranks higher than what is held, so an acknowledged MAJOR absorbs
        MINOR and MAJOR while INVALID is new.
        """
        if self is Level.OK:
            return 0
        return 2 * (self - 4) - 1 if self.active else 2 * self

    @property
    def urgency(self) -> tuple[int, int]:
        """What matters most to who reads a mail: a MAJOR value before values that nobody knows, those before a MINOR one."""
        level = self.unacknowledged
        return (2 if level is Level.MAJOR else 1 if level >= Level.INVALID else 0, level)

    @property
    def acknowledged(self) -> Level:
        """The acknowledged form; OK and what is acknowledged already stay."""
        return Level(self - 4) if self.active else self

    @property
    def unacknowledged(self) -> Level:
        """The active form; OK and what is active already stay."""
        return Level(self + 4) if self.is_acknowledged else self


_FROM_SEVERITY = {
    Severity.NO_ALARM: Level.OK,
    Severity.MINOR: Level.MINOR,
    Severity.MAJOR: Level.MAJOR,
    Severity.INVALID: Level.INVALID,
}


def from_severity(severity: Severity) -> Level:
    """The level of a PV that has this EPICS severity."""
    return _FROM_SEVERITY[severity]
