"""What both dialects ask: pages, single rows, and the rows they relate to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from typing import Any

from web.asked import Asked, columns
from web.catalogue import Catalogue
from web.errors import bad_parameter, not_found
from web.identity import id_filters
from web.query import Filter, Operator, Page, Query, Row, Source
from web.resource import Relation, Resource
from web.values import shown

_CHUNK = 1_000
"""Values in one condition."""
MOST_INCLUDED = 20_000
"""Rows of one relation in an answer, and rows of a page with such: these are in memory."""


class Reader:
    """Questions to the catalogue; every method may block and raise ``ApiError``."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    def resource(self, name: str) -> Resource:
        """Definition of a resource."""
        return self._catalogue[name].resource

    def source(self, resource: Resource) -> Source:
        """What its rows come from."""
        return self._catalogue[resource.name].source

    async def version(self, resource: Resource) -> str | None:
        """Of its rows, see ``query.Collection``; the one method that does not block."""
        return await self._catalogue[resource.name].version()

    def known(self, name: str) -> Resource | None:
        """Definition of a resource, if there is one of this name."""
        found = self._catalogue.collections.get(name)
        return None if found is None else found.resource

    @contextmanager
    def page(
        self, resource: Resource, asked: Asked, also: tuple[str, ...] = (), condition: Filter | None = None
    ) -> Iterator[Page]:
        """Rows of a collection, to be read once and within the block."""
        with self._open(resource, asked.query(resource, also, condition)) as page:
            yield page

    def whole_page(
        self, resource: Resource, asked: Asked, most: int, also: tuple[str, ...] = (), condition: Filter | None = None
    ) -> Page:
        """The same in memory.

        Raises:
            ApiError: 400, these are more than ``most`` rows.
        """
        query = asked.query(resource, also, condition)
        with self._open(resource, replace(query, limit=min(query.limit, most + 1))) as page:
            rows = [*page.rows]
        if len(rows) > most:
            raise bad_parameter("page[limit]", f"these are more than {most:,} rows; ask for smaller pages")
        return replace(page, rows=rows)

    def values(self, resource: Resource, asked: Asked, name: str, most: int) -> list[Any]:
        """Values that an attribute has in rows of a collection, in their order; null is none."""
        with self._open(resource, Query((name,), asked.filters, limit=most, group=asked.group, distinct=True)) as found:
            return [value for row in found.rows if (value := row.values[name]) is not None]

    def _open(self, resource: Resource, query: Query) -> AbstractContextManager[Page]:
        for name in resource.required:
            if not any(item.attribute == name and item.operator in (Operator.EQ, Operator.IN) for item in query.filters):
                raise bad_parameter(f"filter[{name}][EQ]", f"is missing: {resource.name} needs to know which {name}")
        return self._catalogue[resource.name].open(query)

    def one(self, resource: Resource, id_: str, wanted: Sequence[str]) -> tuple[Row, Page]:
        """A single row, with the page it came on.

        Raises:
            ApiError: 404, there is none with this id.
        """
        filters = id_filters(resource, id_)
        if filters is None:
            raise not_found(f"{resource.name} has no {shown(id_)}")
        with self._catalogue[resource.name].open(Query(wanted, tuple(filters), limit=1)) as page:
            row = next(iter(page.rows), None)
        if row is None:
            why = f" ({page.warnings[0]})" if page.warnings else ""
            raise not_found(f"{resource.name} has no {shown(id_)}{why}")
        return row, page

    def relation(self, resource: Resource, name: str) -> Relation:
        """A relation of a resource.

        Raises:
            ApiError: 404, there is none of this name.
        """
        if name not in resource.relation:
            raise not_found(f"{resource.name} has no relationship {shown(name)}")
        return resource.relation[name]

    def condition(self, resource: Resource, id_: str, relation: Relation) -> Filter | None:
        """What rows meet that a row relates to; ``None`` if it relates to none.

        Raises:
            ApiError: 404, there is no such row.
        """
        wanted = columns(resource, (relation.ours,))
        value = self.one(resource, id_, wanted)[0].values[relation.ours]
        return None if value is None else Filter(relation.theirs, Operator.EQ, value)

    def linked(self, relation: Relation, values: Iterable[Any], wanted: Sequence[str]) -> list[Row]:
        """Rows of the other side for several of ours at once.

        Raises:
            ApiError: 400, these are more than fit in an answer.
        """
        collection = self._catalogue[relation.target]
        known = sorted({value for value in values if value is not None})
        rows: list[Row] = []
        for start in range(0, len(known), _CHUNK):
            condition = Filter(relation.theirs, Operator.IN, tuple(known[start : start + _CHUNK]))
            most = MOST_INCLUDED - len(rows)
            with collection.open(Query(wanted, (condition,), limit=most)) as page:
                rows += page.rows
            if page.total > most:
                raise bad_parameter("include", f"{relation.name} has more than {MOST_INCLUDED:,} rows; ask for smaller pages")
        return rows
