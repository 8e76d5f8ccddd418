"""What a plugin sees of its inputs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from math import isfinite
from typing import Any

INVALID = 3
"""Severity of a reading that means nothing, as in EPICS."""

Row = list[Any]
"""A reading on its way: value, severity, status, Unix time, and when it arrived by the monotonic clock of the machine."""
NOTHING: Row = [None, INVALID, "UDF", 0.0, None]
"""The row of what has no value."""
_CONTAINERS = (list, dict)
"""What a plugin could change within."""


@dataclass(frozen=True, slots=True)
class Reading:
    """A PV or an entry of the hot cache, as it was when the run began."""

    raw: Any = None
    """What was read last, valid or not: a number, a text, a list, the index of an enumeration; ``None`` if nothing ever was."""
    severity: int = INVALID
    """0 none, 1 MINOR, 2 MAJOR, 3 INVALID; INVALID also while the PV is disconnected or the entry is gone."""
    status: str = "UDF"
    """Why, as EPICS calls it: ``HIGH``, ``COMM``, …"""
    time: float = 0.0
    """Time stamp of the source, Unix seconds."""
    age_s: float | None = None
    """Seconds since the value came in, by the host's own clock; ``None`` if none did."""

    @property
    def valid(self) -> bool:
        """Whether the value can be used."""
        return self.raw is not None and self.severity < INVALID

    @property
    def value(self) -> Any:
        """What was read, ``None`` unless it is valid: arithmetic on a dead value fails instead of making a good one of it."""
        return self.raw if self.valid else None


class _Draft:
    """A reading while it is made: at each run all are new, and assigning to a frozen class takes as long as all the rest."""

    __slots__ = ("age_s", "raw", "severity", "status", "time")

    def __init__(self, raw: Any, severity: int, status: str, time: float, age_s: float | None) -> None:
        self.raw = raw
        self.severity = severity
        self.status = status
        self.time = time
        self.age_s = age_s


class Readings(dict[str, Reading]):
    """Readings by PV name or cache key, in the order of the names."""

    @property
    def numbers(self) -> dict[str, float]:
        """The valid ones among them that are finite numbers."""
        return {
            name: float(reading.value)
            for name, reading in self.items()
            if reading.valid and isinstance(reading.value, int | float) and isfinite(reading.value)
        }

    @property
    def invalid(self) -> list[str]:
        """Names of those that cannot be used."""
        return [name for name, reading in self.items() if not reading.valid]

    @property
    def only(self) -> Reading:
        """The reading of a group that names one PV.

        Raises:
            ValueError: there is not exactly one.
        """
        if len(self) != 1:
            raise ValueError(f"expected one PV, found {len(self)}")
        return next(iter(self.values()))


def is_valid(row: Row) -> bool:
    """Whether the value of a row can be used."""
    return row[0] is not None and row[1] < INVALID


def readings(rows: Mapping[str, Row], now: float) -> Readings:
    """What a run at ``now``, monotonic seconds, sees of rows; whatever it does to that, the rows stay as they are."""
    return Readings(_readings(rows, now))


def _readings(rows: Mapping[str, Row], now: float) -> Iterator[tuple[str, Reading]]:
    for name, (raw, severity, status, time, arrived) in rows.items():
        if isinstance(raw, _CONTAINERS):
            raw = deepcopy(raw)
        made: Any = _Draft(raw, severity, status, time, None if arrived is None else now - arrived)
        made.__class__ = Reading
        yield name, made
