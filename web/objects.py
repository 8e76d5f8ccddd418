"""Rows as resource objects: the form that both dialects share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

from web.identity import row_id
from web.query import Row
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
        time: how times are written.
    """

    def __init__(
        self,
        resource: Resource,
        base: str,
        attributes: Iterable[str],
        relations: Iterable[str] | None,
        *,
        bare: bool = False,
        time: Callable[[datetime], str] = iso,
    ) -> None:
        self._resource = resource
        self._path = f"{base}/{resource.name}"
        self._attributes = [resource.by_name[name] for name in attributes]
        self._relations = None if relations is None else tuple(relations)
        self._bare = bare
        self._time = time

    def shape(self, row: Row, linkage: Mapping[str, Any] | None = None) -> Json:
        """One resource object.

        Args:
            row: with all that is shown, the key and the units.
            linkage: ``data`` of relationships, by name.
        """
        id_ = row_id(self._resource, row.values)
        values = row.values
        made: Json = {
            "type": self._resource.name,
            "id": id_,
            "attributes": {item.name: json_value(values[item.name], self._time) for item in self._attributes},
        }
        if self._bare:
            return made
        link = f"{self._path}/{id_}"
        if self._relations:
            made["relationships"] = {
                name: {"links": {"self": f"{link}/relationships/{name}", "related": f"{link}/{name}"}}
                | ({"data": linkage[name]} if linkage and name in linkage else {})
                for name in self._relations
            }
        made["links"] = {"self": link}
        if meta := self._row_meta(row):
            made["meta"] = {"row": meta}
        return made

    def _row_meta(self, row: Row) -> Json:
        """Units, of this row, and whatever else is known of single values."""
        meta: Json = {}
        for item in self._attributes:
            about = dict(row.notes.get(item.name, {}))
            units = about.get("units") or (row.values[item.unit_from] if item.unit_from else item.unit)
            if units:
                about["units"] = units
            if about:
                meta[item.name] = json_value(about)
        return meta


def identifier(resource: Resource, row: Row) -> Json:
    """``{"type": …, "id": …}``."""
    return {"type": resource.name, "id": row_id(resource, row.values)}


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
