"""What a record must obey, checked before anything is kept: pure, with the present time given."""

from __future__ import annotations

import unicodedata
from datetime import datetime, timedelta
from typing import Protocol

from logbook.downtime.call import LARGEST_RUN, shortened
from logbook.downtime.detector import known_detector
from logbook.downtime.file import DowntimeFile
from logbook.downtime.record import UNDECIDED, Value, iso, text_of
from sipmdcs.errors import BadInput

LONGEST = {"description": 20_000, "user": 120}
"""Characters."""


class Fields(Protocol):
    """The fields that people may change; ``Record`` and ``Opening`` both have them."""

    @property
    def detector(self) -> str: ...
    @property
    def run(self) -> int | None: ...
    @property
    def subrun(self) -> int | None: ...
    @property
    def started_at(self) -> datetime: ...
    @property
    def ended_at(self) -> datetime | None: ...
    @property
    def category(self) -> str: ...
    @property
    def description(self) -> str: ...
    @property
    def user(self) -> str: ...


def check_time(name: str, when: datetime, now: datetime, file: DowntimeFile) -> None:
    """Refuse a time in the future.

    Raises:
        BadInput: it is further ahead than the clocks of two machines may differ.
    """
    if when > now + timedelta(seconds=file.clock_skew_s):
        raise BadInput(f"{name} {iso(when)} is in the future: it is {iso(now)}, clocks may differ by {file.clock_skew_s:g} s")


def check_category(name: str, file: DowntimeFile) -> None:
    """Refuse what is not offered.

    Raises:
        BadInput: there is no such category, or it is retired.
    """
    known = {category.name: category for category in file.categories}
    if name == UNDECIDED:
        return
    offered = ", ".join(category.name for category in file.offered)
    if name not in known:
        raise BadInput(f"category {shortened(name, 60)} is not in downtime.yaml, expected one of {offered}")
    if known[name].retired:
        raise BadInput(f"category {name!r} is retired, expected one of {offered}")


def check_text(name: str, text: str) -> None:
    """Refuse what a database or a list cannot hold.

    Raises:
        BadInput: it is too long, or has characters that are none.
    """
    if len(text) > LONGEST[name]:
        raise BadInput(f"{name} has {len(text)} characters, expected {LONGEST[name]} at most")
    breaks = "\n\t" if name == "description" else ""
    for character in text:
        if unicodedata.category(character) in ("Cc", "Cs") and character not in breaks:
            raise BadInput(f"{name} has the character U+{ord(character):04X}, expected text")


def check_run(name: str, number: int | None) -> None:
    """Refuse a number that is none of a run.

    Raises:
        BadInput: it is negative or too large.
    """
    if number is not None and not 0 <= number <= LARGEST_RUN:
        raise BadInput(f"{name} {number} is not from 0 to {LARGEST_RUN}")


def check_fields(fields: Fields, before: Fields | None, now: datetime, file: DowntimeFile) -> None:
    """Check a record as it shall be; what was there before and stays needs no excuse.

    Args:
        fields: as it shall be.
        before: as it is; None if it is new.
        now: the present time.
        file: what is known.

    Raises:
        BadInput: the first thing that is wrong.
    """

    def changed(name: str) -> bool:
        return before is None or getattr(before, name) != getattr(fields, name)

    if changed("detector"):
        known_detector(file, fields.detector)
    if changed("category"):
        check_category(fields.category, file)
    for name in ("run", "subrun"):
        check_run(name, getattr(fields, name))
    for name in ("description", "user"):
        check_text(name, getattr(fields, name))
    if changed("started_at"):
        check_time("start", fields.started_at, now, file)
    if fields.ended_at is not None:
        if changed("ended_at"):
            check_time("end", fields.ended_at, now, file)
        if fields.ended_at < fields.started_at:
            raise BadInput(f"end {iso(fields.ended_at)} is before start {iso(fields.started_at)}")


def changes_between(before: Fields, after: dict[str, Value]) -> dict[str, str]:
    """Fields of ``after`` that differ, as text."""
    return {name: text_of(value) for name, value in after.items() if getattr(before, name) != value}
