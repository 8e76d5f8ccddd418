"""A request to a resource, the same from either dialect."""

from __future__ import annotations

from dataclasses import dataclass

from web.parameters import DEFAULT_LIMIT
from web.query import Filter, Group, Query, SortKey
from web.resource import Resource


@dataclass(frozen=True, slots=True)
class Asked:
    """What a client wants of one resource."""

    fields: tuple[str, ...] | None = None
    """Attributes to show; ``None`` for all."""
    filters: tuple[Filter, ...] = ()
    sort: tuple[SortKey, ...] = ()
    offset: int = 0
    limit: int = DEFAULT_LIMIT
    exact_total: bool = False
    """Whether all rows are counted, however many."""
    group: Group | None = None
    include: tuple[str, ...] = ()
    """Tokens of the OMS dialect, relationship paths of JSON:API."""
    bare: bool = False
    """Values alone, without notes of them."""
    warnings: tuple[str, ...] = ()

    def query(self, resource: Resource, also: tuple[str, ...] = (), condition: Filter | None = None) -> Query:
        """The query for these rows.

        Args:
            resource: of which.
            also: attributes that are needed besides those shown.
            condition: one more.
        """
        filters = self.filters if condition is None else (*self.filters, condition)
        return Query(
            columns(resource, self.fields, also),
            filters,
            self.sort,
            self.offset,
            self.limit,
            self.group,
            notes=not self.bare,
            exact_total=self.exact_total,
        )


def columns(resource: Resource, fields: tuple[str, ...] | None, also: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Attributes to fetch: those shown, the key, and those that hold units."""
    shown = resource.names if fields is None else tuple(name for name in fields if name in resource.by_name)
    units = tuple(unit for name in shown if (unit := resource.by_name[name].unit_from))
    return tuple(dict.fromkeys((*shown, *resource.key, *units, *also)))
