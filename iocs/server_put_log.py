"""Log of puts that the access file asks for (``RULE(1, WRITE, TRAPWRITE)``): who changed what from which value to which.

As with caPutLog of EPICS Base, puts of one client to one PV in quick succession become one line. Nothing waits for the log: the
lines are written by a thread, and what comes faster than it may be written is counted.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import numpy as np

from iocs.records.fields import Field, Kind
from iocs.records.record import LiveRecord

_log = logging.getLogger(__name__)

PERIOD_S = 1.0
MAX_LINES = 50
"""Lines in one period."""
MAX_TEXT = 80
MAX_ELEMENTS = 4
"""What is shown of a long value."""


def value_text(record: LiveRecord, field: Field) -> str:
    """The present value of a field as it is logged: the label of a choice, the first elements of an array."""
    value: Any = getattr(record, field.attribute)
    if isinstance(value, np.ndarray | list):
        shown = ", ".join(str(element) for element in value[:MAX_ELEMENTS])
        more = f", … {len(value)} elements" if len(value) > MAX_ELEMENTS else ""
        return f"[{shown[:MAX_TEXT]}{more}]"
    if field.kind in (Kind.MENU, Kind.DEVICE) or (field.name == "VAL" and record.value_kind() is Kind.ENUM):
        return f"{value} {record.label(field, value)!r}"
    return repr(value)[:MAX_TEXT]


class PutLog:
    """Gathers puts and writes them once a period."""

    def __init__(self) -> None:
        self._puts: dict[tuple[str, str], tuple[str, str, int]] = {}
        self._left_out = 0

    def add(self, who: str, name: str, before: str, after: str) -> None:
        """``who`` has put a value to the PV ``name``."""
        first, _, count = self._puts.get((who, name), (before, "", 0))
        if count or len(self._puts) < MAX_LINES:
            self._puts[who, name] = (first, after, count + 1)
        else:
            self._left_out += 1

    async def run(self) -> None:
        """Write until cancelled, and what is left then."""
        try:
            while True:
                await asyncio.sleep(PERIOD_S)
                if self._puts:
                    # In a thread: whatever the log goes to may be slow.
                    await asyncio.to_thread(_write, *self._take())
        finally:
            _write(*self._take())

    def _take(self) -> tuple[dict[tuple[str, str], tuple[str, str, int]], int]:
        puts, left_out = self._puts, self._left_out
        self._puts, self._left_out = {}, 0
        return puts, left_out


def _write(puts: dict[tuple[str, str], tuple[str, str, int]], left_out: int) -> None:
    for (who, name), (before, after, count) in puts.items():
        _log.info("%s put %s: %s -> %s%s", who, name, before, after, f" ({count} puts)" if count > 1 else "")
    if left_out:
        _log.warning("%d further puts in the same %g s are not logged", left_out, PERIOD_S)
