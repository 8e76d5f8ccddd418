"""Why a field is posted, and who hears of it."""

from __future__ import annotations

from typing import Protocol

# Plain integers: IntFlag arithmetic costs more than the rest of processing a record.
VALUE = 1
LOG = 2
ALARM = 4
PROPERTY = 8
"""Bits of a monitor mask (``caeventmask.h`` of EPICS Base)."""


class Listener(Protocol):
    """Whoever watches fields of one record; there is none until the first client subscribes."""

    def posted(self, field: str, mask: int) -> None:
        """``field`` has a new value or a new alarm state, for those who asked for one of the bits of ``mask``."""
        ...

    def posted_all(self, mask: int) -> None:
        """As ``posted``, for every watched field of the record."""
        ...
