"""Resources whose rows are made when they are asked for: live values, other services' HTTP."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from web.memory import answer
from web.query import Page, Query, Row, Source
from web.resource import Resource


@dataclass(frozen=True, slots=True)
class Rows:
    """All rows that could be in an answer, with every attribute."""

    rows: Iterable[Row]
    warnings: tuple[str, ...] = ()


class RowCollection:
    """One such resource; see ``query.Collection``.

    Args:
        resource: its definition.
        source: what ``make`` asks.
        make: gives the rows; may look into the query to make fewer, and need not.
    """

    def __init__(self, resource: Resource, source: Source, make: Callable[[Query], Rows]) -> None:
        self.resource = resource
        self.source = source
        self._make = make

    async def version(self) -> None:
        """Nobody knows."""

    @contextmanager
    def open(self, query: Query) -> Iterator[Page]:
        made = self._make(query)
        page = answer(self.resource, made.rows, query)
        yield Page(page.rows, page.total, made.warnings)
