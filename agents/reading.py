"""What a plugin sees of its inputs."""

from __future__ import annotations

from collections.abc import ItemsView, Iterable, Iterator, Mapping, Sequence, ValuesView
from copy import deepcopy
from dataclasses import dataclass
from math import isfinite
from typing import Any, Self

INVALID = 3
"""Severity of a reading that means nothing, as in EPICS."""

Row = tuple[Any, int, str, float, float | None]
"""A reading on its way: value, severity, status, Unix time, and when it arrived by the monotonic clock of the machine."""
NOTHING: Row = (None, INVALID, "UDF", 0.0, None)
"""The row of what has no value."""
_CONTAINERS = (list, dict)
"""What a plugin could change within."""
_NUMBERS = (int, float)


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


class Readings(Mapping[str, Reading]):
    """Readings by PV name or cache key, in the order of the names; made when they are looked at, for there may be thousands.

    Args:
        readings: by name.
    """

    def __init__(self, readings: Mapping[str, Reading] | Iterable[tuple[str, Reading]] = ()) -> None:
        self._made = dict(readings)
        self._rows: Mapping[str, Row] = {name: _row(reading) for name, reading in self._made.items()}
        self._now = 0.0
        self._bad: Sequence[int] | None = None
        self._first: float | None = None

    @classmethod
    def of_rows(
        cls, rows: Mapping[str, Row], now: float, *, invalid: Sequence[int] | None = None, oldest: float | None = None
    ) -> Self:
        """What a run sees of rows; whatever it does to that, the rows stay as they are.

        Args:
            rows: by name; they must not change as long as the readings are there.
            now: of the run, monotonic seconds.
            invalid: which of them are, by their number, if that is known.
            oldest: when the first of them came in, monotonic seconds, if ``invalid`` is known.
        """
        made = cls()
        made._rows, made._now, made._bad, made._first = rows, now, invalid, oldest
        return made

    @property
    def numbers(self) -> dict[str, float]:
        """The valid ones among them that are finite numbers."""
        return {
            name: float(raw)
            for name, (raw, severity, *_) in self._rows.items()
            if severity < INVALID and isinstance(raw, _NUMBERS) and isfinite(raw)
        }

    @property
    def invalid(self) -> list[str]:
        """Names of those that cannot be used."""
        if self._bad is not None:
            names = list(self._rows) if self._bad else []
            return [names[index] for index in self._bad]
        return [name for name, row in self._rows.items() if row[0] is None or row[1] >= INVALID]

    @property
    def alarmed(self) -> list[str]:
        """Names of the valid ones that are MINOR or MAJOR."""
        return [name for name, row in self._rows.items() if 0 < row[1] < INVALID and row[0] is not None]

    @property
    def ages(self) -> dict[str, float]:
        """Seconds since each came in, of those that did."""
        now = self._now
        return {name: now - row[4] for name, row in self._rows.items() if row[4] is not None}

    @property
    def oldest_s(self) -> float | None:
        """The largest of ``ages``, ``None`` if nothing came in."""
        first = self._first
        if self._bad is None:
            first = min((row[4] for row in self._rows.values() if row[4] is not None), default=None)
        return None if first is None else self._now - first

    @property
    def only(self) -> Reading:
        """The reading of a group that names one PV.

        Raises:
            ValueError: there is not exactly one.
        """
        if len(self) != 1:
            raise ValueError(f"expected one PV, found {len(self)}")
        return next(iter(self.values()))

    def __getitem__(self, name: str) -> Reading:
        return self._readings[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    def __contains__(self, name: object) -> bool:
        return name in self._rows

    def __or__(self, other: Mapping[str, Reading]) -> dict[str, Reading]:
        return {**self._readings, **other}

    def __repr__(self) -> str:
        return f"Readings({self._readings})"

    def items(self) -> ItemsView[str, Reading]:
        return self._readings.items()

    def values(self) -> ValuesView[Reading]:
        return self._readings.values()

    @property
    def _readings(self) -> dict[str, Reading]:
        if len(self._made) < len(self._rows):
            self._made = dict(_readings(self._rows, self._now))
        return self._made


def is_valid(row: Row) -> bool:
    """Whether the value of a row can be used."""
    return row[0] is not None and row[1] < INVALID


def _row(reading: Reading) -> Row:
    arrived = None if reading.age_s is None else -reading.age_s
    return reading.raw, reading.severity, reading.status, reading.time, arrived


def _readings(rows: Mapping[str, Row], now: float) -> Iterator[tuple[str, Reading]]:
    for name, (raw, severity, status, time, arrived) in rows.items():
        if isinstance(raw, _CONTAINERS):
            raw = deepcopy(raw)
        made: Any = _Draft(raw, severity, status, time, None if arrived is None else now - arrived)
        made.__class__ = Reading
        yield name, made
