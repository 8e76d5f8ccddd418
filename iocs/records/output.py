"""What an output record does about an INVALID alarm before it writes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from iocs.records.record import INVALID

DONT_DRIVE = 1
DRIVE_IVOV = 2
"""Choices of ``IVOA``, "invalid output action"; 0 writes all the same."""


class _Output(Protocol):
    nsev: int
    ivoa: int
    ivov: Any
    val: Any


def begin_output(record: _Output, convert: Callable[[], None] | None = None) -> bool:
    """Whether ``record`` is to be written; sets it to ``IVOV`` first if it is INVALID and ``IVOA`` says so.

    Args:
        record: an output record whose alarms have been checked.
        convert: run after the value was replaced.
    """
    if record.nsev < INVALID:
        return True
    if record.ivoa == DRIVE_IVOV:
        record.val = record.ivov
        if convert is not None:
            convert()
    return record.ivoa != DONT_DRIVE
