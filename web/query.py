"""A question to a resource and its answer, before any dialect and any source."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

from web.like import Pattern
from web.resource import Resource

MOST_ROWS = 100_000
"""Largest page."""

Value = int | float | str | bool | datetime | Pattern | tuple[Any, ...] | None
"""What an attribute is compared with, already of its type; ``None`` is null."""


class Operator(StrEnum):
    """Comparisons, with the names of CMS OMS.

    A null is found by ``EQ null`` alone: whatever else it is compared with, it does not match, as in SQL.
    """

    EQ = "EQ"
    NEQ = "NEQ"
    LT = "LT"
    GT = "GT"
    LE = "LE"
    GE = "GE"
    LIKE = "LIKE"
    """Text with wildcards, see ``like``; upper and lower case differ."""
    CT = "CT"
    """Text that contains; upper and lower case differ."""
    IN = "IN"
    """One of several values; not offered to clients."""


@dataclass(frozen=True, slots=True)
class Filter:
    """One condition; several are ANDed."""

    attribute: str
    operator: Operator
    value: Value


@dataclass(frozen=True, slots=True)
class SortKey:
    """Nulls come last in both directions; what is left equal is in the order of the resource's key."""

    attribute: str
    descending: bool = False


@dataclass(frozen=True, slots=True)
class Group:
    """How an aggregate is binned."""

    width_s: int | None = None
    """Width of a bin, seconds; ``None`` chooses it so that there are at most ``count`` bins."""
    count: int = 500


@dataclass(frozen=True, slots=True)
class Query:
    """What is wanted of a resource. Attributes named in it exist and, in filters and sort keys, are comparable."""

    columns: Sequence[str]
    """Attributes to fetch; only these are looked up."""
    filters: tuple[Filter, ...] = ()
    sort: tuple[SortKey, ...] = ()
    offset: int = 0
    limit: int = 100
    group: Group | None = None
    distinct: bool = False
    """Each set of values of ``columns`` once, in the order of those; ``sort`` is left out, and ``total`` still counts rows."""
    notes: bool = True
    """Whether ``Row.notes`` are wanted."""
    exact_total: bool = False
    """Whether to count every row that matches, however many."""

    @property
    def attributes(self) -> frozenset[str]:
        """Every attribute that is shown, filtered or sorted by."""
        return frozenset((*self.columns, *(item.attribute for item in self.filters), *(key.attribute for key in self.sort)))


@dataclass(frozen=True, slots=True)
class Row:
    """One resource object."""

    values: Mapping[str, Any]
    """Of the attributes that were asked for."""
    notes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """What else is known of a value, such as the time it was taken; by attribute."""


@dataclass(frozen=True, slots=True)
class Page:
    """Rows of an answer."""

    rows: Iterable[Row]
    total: int
    """Rows that match, whatever the page."""
    warnings: tuple[str, ...] = ()
    """What the reader has to know, such as a source whose last known state this is."""
    at_least: bool = False
    """Whether ``total`` is a lower bound, beyond the end of this page: counting ended there."""
    counted_at: datetime | None = None
    """When ``total`` was counted, if not now."""
    moving: Callable[[], bool] = lambda: True
    """Whether something of the rows that were read follows the present."""


NOTHING = Page((), 0)
"""No rows."""


class Source(StrEnum):
    """Where rows come from. What is asked of one must not wait for another."""

    LIVE = "live"
    """Memory of this service, filled by Channel Access."""
    DATABASE = "database"
    ALARMS = "alarms"
    ARCHIVER = "archiver"


class Collection(Protocol):
    """A resource together with the source of its rows."""

    @property
    def resource(self) -> Resource:
        """Its definition."""
        ...

    @property
    def source(self) -> Source:
        """What ``fetch`` may wait for."""
        ...

    async def version(self) -> str | None:
        """Of all that the source holds: as long as it is the same, so are the rows, unless they are ``moving``.

        ``None`` if that is not known.
        """
        ...

    def open(self, query: Query) -> AbstractContextManager[Page]:
        """Answer a query; may block, at the start and while rows are read, which is possible once and within the block.

        Raises:
            ApiError: the source is away, or cannot answer this query.
        """
        ...
