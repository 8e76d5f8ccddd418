"""Text up to 39 characters: stringin and stringout (``stringinRecord.c``, ``stringoutRecord.c``)."""

from __future__ import annotations

from typing import Any

from iocs.records.events import LOG, VALUE
from iocs.records.fields import COMMON, INPUT, OUTPUT, table
from iocs.records.output import begin_output
from iocs.records.record import LiveRecord, slots

TEXT = table("""
    VAL  STRING 40 pp
    OVAL STRING 40 ro
    MPST MENU POST_CHANGE
    APST MENU POST_CHANGE
""")
MAX_LENGTH = 39
"""Longest text, in bytes (``MAX_STRING_SIZE`` less the terminator)."""


class _Text(LiveRecord):
    __slots__ = ()

    val: str
    oval: str
    mpst: int
    apst: int

    def initialize(self) -> None:
        super().initialize()
        self.oval = self.val

    def coerce(self, value: Any) -> str:
        """``value`` as text, cut to what fits."""
        return str(value).encode()[:MAX_LENGTH].decode(errors="ignore")

    def _changes(self) -> int:
        mask = (VALUE if self.mpst else 0) | (LOG if self.apst else 0)
        if self.oval != self.val:
            self.oval = self.val
            mask = VALUE | LOG
        return mask


class StringinRecord(_Text):
    """Text input."""

    RTYP = "stringin"
    CAN_BE_STEADY = True
    FIELDS = COMMON | INPUT | TEXT
    __slots__ = slots(FIELDS)

    def _settle(self) -> None:
        """Processing does not make it defined."""

    def _check_alarms(self) -> None:
        """It has no alarms of its own, not even for being undefined."""


class StringoutRecord(_Text):
    """Text output."""

    RTYP = "stringout"
    IS_OUTPUT = True
    FIELDS = COMMON | OUTPUT | TEXT | table("IVOV STRING 40")
    __slots__ = slots(FIELDS)

    ivoa: int
    ivov: str

    def _check_alarms(self) -> None:
        if self.udf == 1:
            super()._check_alarms()

    def begin(self, time_ns: int) -> bool:
        super().begin(time_ns)
        return begin_output(self)
