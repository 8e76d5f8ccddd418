"""What the OpenAPI document says of routes, made from the definitions of resources."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from web.attribute import Attribute, Type
from web.jsonapi import MEDIA_TYPE as JSONAPI
from web.oms_request import INCLUDES
from web.parameters import DEFAULT_LIMIT, EXACT, MOST_BINS
from web.query import MOST_ROWS, Operator
from web.resource import Resource
from web.values import NULL, operators

Schema = dict[str, Any]

_SCHEMAS: Mapping[Type, Schema] = {
    Type.INTEGER: {"type": ["integer", "null"]},
    Type.NUMBER: {"type": ["number", "null"]},
    Type.TEXT: {"type": ["string", "null"]},
    Type.BOOLEAN: {"type": ["boolean", "null"]},
    Type.TIME: {"type": ["string", "null"]},
    Type.OBJECT: {},
}
_FILTERS: Mapping[Type, Schema] = {
    Type.INTEGER: {"type": "integer", "minimum": -(2**63), "maximum": 2**63 - 1},
    Type.NUMBER: {"type": "number"},
    Type.TEXT: {"type": "string", "pattern": "^[^\\u0000]*$"},
    Type.BOOLEAN: {"type": "boolean"},
    Type.TIME: {"type": "string", "pattern": r"^20[0-9]{2}-0[1-9]-[01][1-9]T[01][0-9]:[0-5][0-9]:[0-5][0-9]Z$"},
}
_SHOWN = {
    Type.INTEGER: (Operator.EQ, Operator.GE, Operator.LT),
    Type.NUMBER: (Operator.GE, Operator.LT),
    Type.TEXT: (Operator.EQ, Operator.CT),
    Type.BOOLEAN: (Operator.EQ,),
    Type.TIME: (Operator.GE, Operator.LT),
    Type.OBJECT: (),
}
"""Filters that are written out; the document would be ten times as long with all of them."""

_LINKS: Schema = {"type": "object", "additionalProperties": {"type": ["string", "null"]}}
_META: Schema = {
    "type": "object",
    "properties": {
        "totalResourceCount": {"type": "integer", "minimum": 0},
        "totalIsLowerBound": {"const": True},
        "totalCountedAt": {"type": "string", "format": "date-time"},
        "warnings": {"type": "array", "items": {"type": "string"}},
    },
}
_IDENTIFIER: Schema = {
    "type": "object",
    "required": ["type", "id"],
    "properties": {"type": {"type": "string"}, "id": {"type": "string"}},
}
ERRORS: Schema = {
    "type": "object",
    "required": ["errors"],
    "properties": {
        "errors": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "required": ["status", "title", "detail"],
                "properties": {
                    "status": {"type": "string"},
                    "code": {"type": "string"},
                    "title": {"type": "string"},
                    "detail": {"type": "string"},
                    "source": {"type": "object", "additionalProperties": {"type": "string"}},
                },
            },
        },
        "jsonapi": {"type": "object"},
    },
}


def component_schemas(resources: tuple[Resource, ...]) -> dict[str, Schema]:
    """Resource objects and error documents, by name."""
    return {"errors": ERRORS, "identifier": _IDENTIFIER} | {item.name: _resource_object(item) for item in resources}


def _resource_object(resource: Resource) -> Schema:
    attributes = {item.name: _SCHEMAS[item.type] | {"description": _described(item)} for item in resource.attributes}
    return {
        "type": "object",
        "description": resource.description,
        "required": ["type", "id", "attributes"],
        "properties": {
            "type": {"const": resource.name},
            "id": {"type": "string"},
            "attributes": {"type": "object", "properties": attributes, "additionalProperties": False},
            "relationships": {
                "type": "object",
                "properties": {name: {"type": "object"} for name in resource.relation},
                "additionalProperties": False,
            },
            "links": _LINKS,
            "meta": {"type": "object"},
        },
        "additionalProperties": False,
    }


def _described(attribute: Attribute) -> str:
    return f"{attribute.description} [{attribute.unit}]" if attribute.unit else attribute.description


def answers(schema: Schema, media_type: str, *errors: int) -> dict[int | str, dict[str, Any]]:
    """Replies of a route: what it gives, and its errors."""
    found: dict[int | str, dict[str, Any]] = {200: {"description": "Found", "content": {media_type: {"schema": schema}}}}
    type_ = JSONAPI if media_type == JSONAPI else "application/json"
    for status in errors:
        content = {type_: {"schema": {"$ref": "#/components/schemas/errors"}}}
        found[status] = {"description": f"Error {status}", "content": content}
    return found


def document(data: Schema, *, included: bool = False) -> Schema:
    """A document with primary data."""
    properties: Schema = {"data": data, "meta": _META, "links": _LINKS, "jsonapi": {"type": "object"}}
    if included:
        properties["included"] = {"type": "array", "items": {"$ref": "#/components/schemas/identifier"}}
    return {"type": "object", "required": ["data"], "properties": properties}


def rows_of(resource: Resource, *, many: bool) -> Schema:
    """Primary data: rows, or one that may be null."""
    return _many({"$ref": f"#/components/schemas/{resource.name}"}, many=many)


def identifiers(*, many: bool) -> Schema:
    """Primary data: types and ids."""
    return _many({"$ref": "#/components/schemas/identifier"}, many=many)


def _many(one: Schema, *, many: bool) -> Schema:
    return {"type": "array", "items": one} if many else {"anyOf": [one, {"type": "null"}]}


def oms_parameters(resource: Resource, *, collection: bool) -> list[Schema]:
    """Query parameters of the OMS dialect."""
    found = [
        _query("fields", {"type": "string"}, f"Attributes to give, separated by commas: {', '.join(resource.names)}"),
        _query("include", {"type": "string"}, f"What to add or leave out, separated by commas: {', '.join(INCLUDES)}"),
        *_page(),
    ]
    if collection:
        sort = _query("sort", {"type": "string"}, "Attributes to order by, separated by commas; - before one for descending")
        found += [sort, *_required(resource), *_filters(resource), *_groups(resource, "group")]
    return found


def jsonapi_parameters(resource: Resource, *, collection: bool, includable: tuple[str, ...] = ()) -> list[Schema]:
    """Query parameters of the strict dialect."""
    fields = [*resource.names, *resource.relation]
    found = [_list(f"fields[{resource.name}]", fields, "Attributes and relationships to give")]
    if includable:
        found.append(_list("include", list(includable), "Relationships whose rows are included; paths with dots as well"))
    if collection:
        sort = _list("sort", _sort_keys(resource), "Order; - for descending")
        found += [sort, *_page(), *_required(resource), *_filters(resource), *_groups(resource, "groupBy")]
    return found


def _sort_keys(resource: Resource) -> list[str]:
    names = [item.name for item in resource.attributes if item.comparable]
    return [*names, *(f"-{name}" for name in names)]


def _list(name: str, choices: list[str], description: str) -> Schema:
    schema = {"type": "array", "items": {"type": "string", "enum": choices}}
    return _query(name, schema, description) | {"style": "form", "explode": False}


def _page() -> list[Schema]:
    limit = {"type": "integer", "minimum": 1, "maximum": MOST_ROWS, "default": DEFAULT_LIMIT}
    offset = {"type": "integer", "minimum": 0, "maximum": 2**62, "default": 0}
    return [
        _query("page[offset]", offset, "Rows to leave out"),
        _query("page[limit]", limit, "Rows at most"),
        _query("page[total]", {"type": "string", "enum": [EXACT]}, "Count all rows, however many"),
    ]


def component_parameters(resources: tuple[Resource, ...]) -> dict[str, Schema]:
    """Filters of every resource, by the names that routes refer to them with."""
    return {
        _reference(resource, item, operator): _query(
            f"filter[{item.name}][{operator}]",
            _filter_schema(item, operator),
            f"{_described(item)}. Operators: {', '.join(operators(item))}",
        )
        for resource in resources
        for item in resource.attributes
        for operator in _SHOWN[item.type]
    }


def _filter_schema(attribute: Attribute, operator: Operator) -> Schema:
    schema = _FILTERS[attribute.type]
    return {"anyOf": [schema, {"const": NULL}]} if operator is Operator.EQ and attribute.type is not Type.TEXT else schema


def _reference(resource: Resource, attribute: Attribute, operator: Operator) -> str:
    return f"{resource.name}.{attribute.name}.{operator}"


def _filters(resource: Resource) -> list[Schema]:
    return [
        {"$ref": f"#/components/parameters/{_reference(resource, item, operator)}"}
        for item in resource.attributes
        for operator in _SHOWN[item.type]
        if item.name not in resource.required
    ]


def _required(resource: Resource) -> list[Schema]:
    return [
        _query(f"filter[{name}][EQ]", _FILTERS[resource.by_name[name].type], resource.by_name[name].description, required=True)
        for name in resource.required
    ]


def _groups(resource: Resource, family: str) -> list[Schema]:
    if not resource.groups:
        return []
    width = {"anyOf": [{"type": "integer", "minimum": 1, "maximum": 10**9}, {"const": "auto"}]}
    count = {"type": "integer", "minimum": 1, "maximum": MOST_BINS, "default": 500}
    return [
        _query(f"{family}[granularity]", width, "Width of a bin in seconds, or auto"),
        _query(f"{family}[size]", {"type": "integer", "minimum": 1, "maximum": 10**9}, "The same, seconds"),
        _query(f"{family}[count]", count, "Bins at most, for auto"),
    ]


def _query(name: str, schema: Schema, description: str, *, required: bool = False) -> Schema:
    return {"name": name, "in": "query", "required": required, "description": description, "schema": schema}
