"""One run as a value, and its one form in JSON: for HTTP, for the local disk, for the command line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from typing import Any

from logbook.run_state import RunState

_HIDDEN = ("before", "changed_at")
"""Not columns of ``logbook_run``."""
_TIMES = ("opened_at", "started_at", "ended_at", "changed_at", "config_compared_at")


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A row of ``logbook_run``, field by field, and how it came to its state."""

    number: int
    request_key: str
    partition: str
    type: str
    state: RunState
    opened_at: datetime
    started_at: datetime | None = None
    ended_at: datetime | None = None
    opened_by: str
    ended_by: str = ""
    end_reason: str = ""
    orphaned: bool = False
    events: int | None = None
    config_version: int | None = None
    config_push: int | None = None
    config_hash: str = ""
    config_only: str = ""
    config_compared: int | None = None
    config_differing: int | None = None
    config_unread: int | None = None
    config_compared_at: datetime | None = None
    config_trouble: str = ""
    software_version: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    summary: str = ""
    before: RunState | None = None
    """The state before the present one; ``None`` if it was only opened."""
    changed_at: datetime
    """When it came into the present state."""


COLUMNS = tuple(entry.name for entry in fields(Run) if entry.name not in _HIDDEN)
"""Columns of ``logbook_run``."""


@dataclass(frozen=True, slots=True)
class Transition:
    """A change of the state of a run."""

    run: int
    before: RunState | None
    after: RunState
    at: datetime
    source: str
    who: str
    reason: str


def iso(when: datetime | None) -> str | None:
    """ISO 8601 in UTC with microseconds and ``Z``."""
    return None if when is None else when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def run_json(run: Run) -> dict[str, Any]:
    """The columns of a run as JSON."""
    return {name: _plain(getattr(run, name)) for name in COLUMNS}


def whole_json(run: Run) -> dict[str, Any]:
    """All of a run as JSON, for ``run_of``."""
    return run_json(run) | {name: _plain(getattr(run, name)) for name in _HIDDEN}


def run_of(content: Mapping[str, Any]) -> Run:
    """A run from what ``whole_json`` made, or from the columns of a row.

    Raises:
        KeyError: a field is missing.
        ValueError: a field is not what it should be.
        TypeError: as ``ValueError``.
    """
    values = dict(content)
    for name in _TIMES:
        if isinstance(values.get(name), str):
            values[name] = datetime.fromisoformat(values[name])
    values["state"] = RunState(values["state"])
    values["before"] = RunState(values["before"]) if values.get("before") else None
    return Run(**values)


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return iso(value)
    if isinstance(value, Mapping):
        return dict(value)
    return str(value) if isinstance(value, RunState) else value
