"""What both dialects ask: pages, single rows, and the rows they relate to."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from web.asked import Asked, columns
from web.catalogue import Catalogue
from web.errors import bad_parameter, not_found
from web.identity import id_filters
from web.query import MOST_ROWS, Filter, Operator, Page, Query, Row, Source
from web.resource import Relation, Resource
from web.values import shown

_CHUNK = 1_000
"""Values in one condition."""


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

    def known(self, name: str) -> Resource | None:
        """Definition of a resource, if there is one of this name."""
        found = self._catalogue.collections.get(name)
        return None if found is None else found.resource

    def page(self, resource: Resource, asked: Asked, also: tuple[str, ...] = (), condition: Filter | None = None) -> Page:
        """Rows of a collection."""
        return self._fetch(resource, asked.query(resource, also, condition))

    def values(self, resource: Resource, asked: Asked, name: str, most: int) -> list[Any]:
        """Values that an attribute has in rows of a collection, in their order; null is none."""
        found = self._fetch(resource, Query((name,), asked.filters, limit=most, group=asked.group, distinct=True))
        return [value for row in found.rows if (value := row.values[name]) is not None]

    def _fetch(self, resource: Resource, query: Query) -> Page:
        for name in resource.required:
            if not any(item.attribute == name and item.operator in (Operator.EQ, Operator.IN) for item in query.filters):
                raise bad_parameter(f"filter[{name}][EQ]", f"is missing: {resource.name} needs to know which {name}")
        return self._catalogue[resource.name].fetch(query)

    def one(self, resource: Resource, id_: str, wanted: Sequence[str]) -> tuple[Row, Page]:
        """A single row, with the page it came on.

        Raises:
            ApiError: 404, there is none with this id.
        """
        filters = id_filters(resource, id_)
        page = self._catalogue[resource.name].fetch(Query(wanted, tuple(filters), limit=1)) if filters is not None else None
        if page is None or not page.rows:
            why = f" ({page.warnings[0]})" if page is not None and page.warnings else ""
            raise not_found(f"{resource.name} has no {shown(id_)}{why}")
        return page.rows[0], page

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
            page = collection.fetch(Query(wanted, (condition,), limit=MOST_ROWS - len(rows)))
            rows += page.rows
            if page.total > len(page.rows):
                raise bad_parameter("include", f"{relation.name} has more than {MOST_ROWS:,} rows; ask for smaller pages")
        return rows
