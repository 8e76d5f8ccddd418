"""One downtime as everybody sees it, and its fields as text."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

UNDECIDED = "UNDECIDED"
"""Category until somebody says."""

MESSAGE = "message"
"""Who ended a downtime, if a message of the data acquisition did."""

Value = int | str | datetime | None


class Source(StrEnum):
    """Who began a record."""

    AUTOMATIC = "automatic"
    """A message of the data acquisition, or the argument ``0``."""
    MANUAL = "manual"


@dataclass(frozen=True, slots=True)
class Record:
    """A row of ``logbook_downtime``; ``id`` and ``revision`` as they will be, if it waits for the database."""

    id: int | None
    """Event id; None while the database is away."""
    request_key: str
    detector: str
    run: int | None
    subrun: int | None
    started_at: datetime
    ended_at: datetime | None
    """None while it goes on."""
    category: str
    description: str
    user: str
    source: Source
    created_at: datetime
    revision: int = 1

    @property
    def is_open(self) -> bool:
        """It still goes on."""
        return self.ended_at is None

    @property
    def is_unexplained(self) -> bool:
        """Nobody has said why."""
        return self.category == UNDECIDED

    @property
    def name(self) -> str:
        """How messages call it."""
        return "the event that waits for the database" if self.id is None else f"event {self.id}"

    def duration_s(self, now: datetime) -> float:
        """Seconds from its start to its end, or to ``now``; never negative."""
        return max(0.0, ((self.ended_at or now) - self.started_at).total_seconds())


@dataclass(frozen=True, slots=True)
class Step:
    """One field of one downtime, changed by somebody."""

    revision: int
    """The one it made."""
    at: datetime
    who: str
    field: str
    before: str
    after: str


EDITABLE = ("detector", "run", "subrun", "started_at", "ended_at", "category", "description", "user")
"""Fields that people may change, in the order of forms."""


def text_of(value: Value) -> str:
    """A field as the history keeps it: empty for None, times in ISO 8601 with Z."""
    if value is None:
        return ""
    return iso(value) if isinstance(value, datetime) else str(value)


def value_of(field: str, text: str) -> Value:
    """The inverse of ``text_of``.

    Raises:
        ValueError: it is not a number or time, where the field is one.
    """
    if field in ("run", "subrun"):
        return int(text) if text else None
    if field in ("started_at", "ended_at"):
        return datetime.fromisoformat(text) if text else None
    return text


def iso(when: datetime) -> str:
    """UTC in ISO 8601, with fractions only where there are any."""
    return when.astimezone(UTC).isoformat().replace("+00:00", "Z")


def duration_text(seconds: float) -> str:
    """``45 s``, ``12 min 03 s``, ``3 h 07 min``, ``2 d 03 h``."""
    whole = int(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    if whole < 86_400:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    return f"{whole // 86_400} d {whole % 86_400 // 3600:02d} h"
