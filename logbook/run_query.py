"""Which runs somebody wants to see: filters of ``GET /runs`` and of the command line, and their query."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field, ValidationError
from sqlalchemy import Select, select

from logbook.requests import Moment, Word
from logbook.run import COLUMNS
from logbook.run_state import RunState
from logbook.tables import Run as RunRow
from sipmdcs.validation import bad_value
from sipmdcs.yamlfile import Strict

_INTEGER = 2**31 - 1
"""Largest number the column holds."""

Number = Annotated[int, Field(ge=0, le=_INTEGER)]


_EVERY: Select[*tuple[Any, ...]] = select(*(getattr(RunRow, name).label(name) for name in COLUMNS))
"""Made once: SQLAlchemy then knows its columns again at each query."""


class RunFilter(Strict):
    """What is wanted; left out, everything."""

    partition: Word | None = None
    type: Word | None = None
    state: RunState | None = None
    open: bool | None = None
    first: Number = 0
    last: Number = _INTEGER
    since: Moment | None = None
    """Ended after this time, or open."""
    until: Moment | None = None
    """Opened before this time."""
    offset: Annotated[int, Field(ge=0, le=_INTEGER)] = 0
    limit: Annotated[int, Field(ge=1, le=10_000)] = 100


def run_filter(parameters: Mapping[str, str]) -> RunFilter:
    """From the parameters of a URL.

    Raises:
        BadInput: one is unknown or cannot be used.
    """
    try:
        return RunFilter.model_validate(dict(parameters))
    except ValidationError as err:
        raise bad_value(err) from err


def runs_query(wanted: RunFilter) -> Select[*tuple[Any, ...]]:
    """Runs as rows, the newest first."""
    query = _EVERY
    if (wanted.first, wanted.last) != (0, _INTEGER):
        query = query.where(RunRow.number >= wanted.first, RunRow.number <= wanted.last)
    if wanted.partition is not None:
        query = query.where(RunRow.partition == wanted.partition)
    if wanted.type is not None:
        query = query.where(RunRow.type == wanted.type)
    if wanted.state is not None:
        query = query.where(RunRow.state == str(wanted.state))
    if wanted.open is not None:
        query = query.where(RunRow.ended_at.is_(None) if wanted.open else RunRow.ended_at.is_not(None))
    if wanted.since is not None:
        query = query.where(RunRow.ended_at.is_(None) | (RunRow.ended_at > wanted.since))
    if wanted.until is not None:
        query = query.where(RunRow.opened_at < wanted.until)
    return query.order_by(RunRow.number.desc()).offset(wanted.offset).limit(wanted.limit)
