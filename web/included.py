"""Compound documents: the rows that included relationships lead to, each once, and the linkage to them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from web.asked import columns
from web.identity import row_id
from web.jsonapi_request import Tree
from web.objects import Json, Shaper, identifier
from web.query import Row
from web.reader import Reader
from web.resource import Relation, Resource

_Key = tuple[str, str]
"""Type and id."""


class Included:
    """Rows of other resources for one answer.

    Args:
        reader: finds them.
        base: path of the dialect.
        fields: sparse fieldsets by type.
    """

    def __init__(self, reader: Reader, base: str, fields: Mapping[str, tuple[str, ...]]) -> None:
        self._reader = reader
        self._base = base
        self._fields = fields
        self._rows: dict[_Key, tuple[Resource, Row]] = {}
        self._linkage: dict[_Key, dict[str, Any]] = defaultdict(dict)

    def follow(self, resource: Resource, rows: Sequence[Row], tree: Tree) -> None:
        """Find what ``rows`` relate to, and from there on."""
        for name, branch in tree.items():
            relation = resource.relation[name]
            target = self._reader.resource(relation.target)
            found = self._reader.linked(relation, (row.values[relation.ours] for row in rows), self._wanted(target, relation))
            for row in found:
                self._rows.setdefault((target.name, row_id(target, row.values)), (target, row))
            self._link(resource, rows, relation, target, found)
            self.follow(target, found, branch)

    def linkage(self, resource: Resource, row: Row) -> Mapping[str, Any]:
        """``data`` of the included relationships of a row."""
        return self._linkage.get((resource.name, row_id(resource, row.values)), {})

    def objects(self, primary: Resource, rows: Sequence[Row]) -> list[Json]:
        """Resource objects of all that was found and is not among the primary ``rows``."""
        there = {(primary.name, row_id(primary, row.values)) for row in rows}
        shapers: dict[str, Shaper] = {}
        made: list[Json] = []
        for key, (resource, row) in self._rows.items():
            if key not in there:
                shaper = shapers.setdefault(resource.name, self._shaper(resource))
                made.append(shaper.shape(row, self._linkage.get(key)))
        return made

    def _wanted(self, target: Resource, relation: Relation) -> tuple[str, ...]:
        chosen = self._fields.get(target.name)
        # A row may be reached on several ways, each of which may go on: every one brings all that any of them needs.
        ways = tuple(item.ours for item in target.relations)
        return columns(target, chosen, (relation.theirs, *ways))

    def _link(
        self, resource: Resource, rows: Sequence[Row], relation: Relation, target: Resource, found: Sequence[Row]
    ) -> None:
        by_value: dict[Any, list[Json]] = defaultdict(list)
        for row in found:
            by_value[row.values[relation.theirs]].append(identifier(target, row))
        for row in rows:
            value = row.values[relation.ours]
            there = by_value.get(value, []) if value is not None else []
            data: Any = there if relation.many else next(iter(there), None)
            self._linkage[resource.name, row_id(resource, row.values)][relation.name] = data

    def _shaper(self, resource: Resource) -> Shaper:
        chosen = self._fields.get(resource.name)
        shown = resource.names if chosen is None else [name for name in chosen if name in resource.by_name]
        return Shaper(resource, self._base, shown, [name for name in resource.relation if chosen is None or name in chosen])
