"""Rows as resource objects: the form that both dialects share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

from web.identity import row_id
from web.query import Page, Row
from web.resource import Resource
from web.values import iso, json_value

Json = dict[str, Any]


class Shaper:
    """Makes resource objects of one resource for one answer.

    Args:
        resource: its definition.
        base: path of the dialect, ``/api/v1``.
        attributes: names to show.
        relations: names of relationships to show; none at all if ``None``.
        bare: leave out links and meta.
        time: how times are written; ``None`` as JSON has them.
    """

    def __init__(
        self,
        resource: Resource,
        base: str,
        attributes: Iterable[str],
        relations: Iterable[str] | None,
        *,
        bare: bool = False,
        time: Callable[[datetime], str] | None = None,
    ) -> None:
        self._resource = resource
        self._path = f"{base}/{resource.name}"
        self._attributes = [resource.by_name[name] for name in attributes]
        self._names = [item.name for item in self._attributes]
        self._relations = [(name, f"/relationships/{name}", f"/{name}") for name in relations or ()]
        self._bare = bare
        self._time = time
        # What is the same in every row is made once: a page may have a hundred thousand.
        self._units = {item.name: {"units": item.unit} for item in self._attributes if item.unit and not item.unit_from}
        self._own_units = [(item.name, item.unit_from) for item in self._attributes if item.unit_from]

    def shape(self, row: Row, linkage: Mapping[str, Any] | None = None) -> Json:
        """One resource object.

        Args:
            row: with all that is shown, the key and the units.
            linkage: ``data`` of relationships, by name.
        """
        id_ = row_id(self._resource, row.values)
        values, time = row.values, self._time
        if time is None:
            attributes = {name: values[name] for name in self._names}
        else:
            attributes = {name: json_value(values[name], time) for name in self._names}
        made: Json = {"type": self._resource.name, "id": id_, "attributes": attributes}
        if self._bare:
            return made
        link = f"{self._path}/{id_}"
        if self._relations:
            related: dict[str, Json] = {
                name: {"links": {"self": link + itself, "related": link + rows}} for name, itself, rows in self._relations
            }
            for name, data in (linkage or {}).items():
                if name in related:
                    related[name]["data"] = data
            made["relationships"] = related
        made["links"] = {"self": link}
        if meta := self._row_meta(row):
            made["meta"] = {"row": meta}
        return made

    def _row_meta(self, row: Row) -> Json:
        """Units, of this row, and whatever else is known of single values."""
        own = {name: {"units": unit} for name, unit_from in self._own_units if (unit := row.values[unit_from])}
        units = {**self._units, **own} if own else self._units
        if not row.notes:
            return units
        meta: Json = {**units}
        for item in self._attributes:
            if note := row.notes.get(item.name):
                lacks_units = item.name in units and not note.get("units")
                meta[item.name] = {**note, **units[item.name]} if lacks_units else note
        return meta


def identifier(resource: Resource, row: Row) -> Json:
    """``{"type": …, "id": …}``."""
    return {"type": resource.name, "id": row_id(resource, row.values)}


def total_meta(page: Page) -> Json:
    """How many rows match, and what is known of that number."""
    meta: Json = {"totalResourceCount": page.total}
    if page.at_least:
        meta["totalIsLowerBound"] = True
    if page.counted_at is not None:
        meta["totalCountedAt"] = iso(page.counted_at)
    return meta


def schema_meta(resource: Resource) -> Json:
    """``fields`` and ``fields_order`` of a resource, as CMS OMS gives them."""
    fields = {
        item.name: {
            "title": item.title,
            "description": item.description,
            "units": item.unit or None,
            "api_type": item.type.value,
            "sortable": item.comparable,
            "searchable": item.comparable,
            "projectable": True,
        }
        for item in resource.attributes
    }
    return {"fields": fields, "fields_order": list(resource.names), "description": resource.description}
