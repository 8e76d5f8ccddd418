"""A resource: attributes, key and relations, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from sqlalchemy import FromClause

from web.attribute import Attribute


@dataclass(frozen=True, slots=True)
class Relation:
    """A way from a row to rows of another resource: those whose attribute ``theirs`` equals our ``ours``."""

    name: str
    target: str
    """Name of the other resource."""
    ours: str
    theirs: str
    many: bool = True


@dataclass(frozen=True, eq=False)
class Resource:
    """Definition of one resource; ``type`` in answers and path of its collection."""

    name: str
    description: str
    key: tuple[str, ...]
    """Attributes that identify a row; together they are its ``id``."""
    attributes: tuple[Attribute, ...]
    relations: tuple[Relation, ...] = ()
    table: FromClause | None = None
    """What its SQL columns are selected from; ``None`` if rows come from elsewhere."""
    needs: tuple[str, ...] = ()
    """SQL tables that must exist."""
    required: tuple[str, ...] = ()
    """Attributes without a filter on which a collection has no answer."""
    groups: bool = False
    """Whether rows are aggregates whose bins a query may choose."""

    @cached_property
    def by_name(self) -> Mapping[str, Attribute]:
        """Attributes by name."""
        return {attribute.name: attribute for attribute in self.attributes}

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of all attributes, in their order."""
        return tuple(self.by_name)

    @cached_property
    def relation(self) -> Mapping[str, Relation]:
        """Relations by name."""
        return {relation.name: relation for relation in self.relations}
