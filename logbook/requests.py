"""What people and programs ask of the run table: bodies of HTTP requests, and what the command line gives."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from pydantic import AfterValidator, AwareDatetime, Field

from sipmdcs.errors import BadInput
from sipmdcs.yamlfile import Strict

_MOST_AHEAD = timedelta(seconds=5)
"""By so much the clock of another machine may be ahead of ours."""
_FIRST_YEAR = 1970
_MOST_FACTS = 64_000
"""Bytes of facts, as JSON."""
_DEEPEST = 10
MOST_EVENTS = 2**63 - 1


def _printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("expected printable characters only")
    return text


def _text(text: str) -> str:
    if not all(char.isprintable() or char in "\n\t" for char in text):
        raise ValueError("expected printable characters and line ends only")
    return text


def _facts(facts: dict[str, Any]) -> dict[str, Any]:
    _check_facts(facts, 0)
    if len(json.dumps(facts)) > _MOST_FACTS:
        raise ValueError(f"expected at most {_MOST_FACTS} bytes")
    return facts


def _check_facts(value: Any, depth: int) -> None:
    if depth > _DEEPEST:
        raise ValueError("nested too deeply")
    if isinstance(value, str):
        _text(value)
    elif isinstance(value, float) and not math.isfinite(value):
        raise ValueError("expected finite numbers")
    elif isinstance(value, dict):
        for key, inner in value.items():
            _printable(key)
            _check_facts(inner, depth + 1)
    elif isinstance(value, list):
        for inner in value:
            _check_facts(inner, depth + 1)


def _utc(when: datetime) -> datetime:
    try:
        return when.astimezone(UTC)
    except OverflowError as err:
        raise ValueError("expected a time that lies in the years 1 to 9999 in UTC") from err


Word = Annotated[str, Field(min_length=1, max_length=80), AfterValidator(_printable)]
Who = Annotated[str, Field(min_length=1, max_length=120), AfterValidator(_printable)]
Text = Annotated[str, Field(max_length=4000), AfterValidator(_text)]
Facts = Annotated[dict[str, Any], AfterValidator(_facts)]
Events = Annotated[int, Field(ge=0, le=MOST_EVENTS, strict=True)]
Moment = Annotated[AwareDatetime, AfterValidator(_utc)]
"""A time with its zone, as UTC."""
At = Moment | None


class Owner(Strict):
    """The process that takes the data: when it is gone, its run is closed."""

    host: Word
    pid: Annotated[int, Field(ge=1, le=2**31 - 1, strict=True)]
    process_started: float
    """Seconds since the Unix epoch: tells it from a later one with the same id."""


class OpenRequest(Strict):
    """Open a run."""

    request_key: Word
    """The same key again finds the same run."""
    partition: Annotated[str, Field(max_length=40)]
    type: Annotated[str, Field(max_length=20)]
    who: Who
    facts: Facts = Field(default_factory=dict)
    owner: Owner | None = None
    at: At = None
    """When it was; now if left out."""
    replace: bool = True
    """Abort the run that is open in the partition, whose data acquisition must have died. Otherwise the request is refused."""


class MoveRequest(Strict):
    """Bring a run into another state."""

    who: Who
    reason: Text = ""
    events: Events | None = None
    facts: Facts = Field(default_factory=dict)
    at: At = None


class BeatRequest(Strict):
    """A sign of life of the data acquisition."""

    who: Who
    events: Events | None = None


class NoteRequest(Strict):
    """Say something of a run."""

    field: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")] = "comment"
    value: Text
    who: Who


class SummaryRequest(Strict):
    """Have the slow control of a run summarised again."""

    who: Who


def moment(asked: datetime | None, now: datetime) -> datetime:
    """When something happened that is told now.

    Raises:
        BadInput: it has not happened yet, or before there were computers to tell of it.
    """
    if asked is None:
        return now
    if asked - now > _MOST_AHEAD:
        raise BadInput(f"{asked.isoformat()} is in the future, it is {now.isoformat(timespec='seconds')}", key="at")
    if asked.year < _FIRST_YEAR:
        raise BadInput(f"{asked.isoformat()} is before {_FIRST_YEAR}", key="at")
    return asked
