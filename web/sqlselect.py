"""A query as SQL: picks the requested columns only, everything a client wrote being a bound parameter.

The count is taken on the narrow query, without columns and order. Texts compare by code point on both databases
(``COLLATE "C"`` on PostgreSQL, the default on SQLite), so that order does not depend on the locale of a server.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import BigInteger, Boolean, ColumnElement, Double, Select, String, and_, bindparam, collate, func
from sqlalchemy import select as sql_select
from sqlalchemy.types import TypeEngine

from sipmdcs.sqltypes import UtcDateTime
from web.attribute import Attribute, Type
from web.like import Pattern
from web.query import Filter, Operator, Query
from web.resource import Resource

_TYPES: Mapping[Type, TypeEngine[Any] | UtcDateTime] = {
    Type.INTEGER: BigInteger(),
    Type.NUMBER: Double(),
    Type.TEXT: String(),
    Type.BOOLEAN: Boolean(),
    Type.TIME: UtcDateTime(),
}

SQLITE, POSTGRESQL = "sqlite", "postgresql"


def select_rows(resource: Resource, query: Query, dialect: str) -> Select[Any]:
    """Rows of the page, one column per requested attribute, labelled with its name."""
    columns = [_expression(resource.by_name[name]).label(name) for name in query.columns]
    statement = sql_select(*columns).select_from(_table(resource)).where(*_conditions(resource, query, dialect))
    statement = statement.offset(query.offset).limit(query.limit)
    order: list[ColumnElement[Any]] = []
    if query.distinct:
        order = [_ordered(resource.by_name[name], dialect).asc().nulls_last() for name in query.columns]
        return statement.group_by(*(_expression(resource.by_name[name]) for name in query.columns)).order_by(*order)
    for key in query.sort:
        column = _ordered(resource.by_name[key.attribute], dialect)
        order.append((column.desc() if key.descending else column.asc()).nulls_last())
    order += [_ordered(resource.by_name[name], dialect).asc() for name in resource.key]
    return statement.order_by(*order)


def select_count(resource: Resource, query: Query, dialect: str) -> Select[int]:
    """How many rows match."""
    return sql_select(func.count()).select_from(_table(resource)).where(*_conditions(resource, query, dialect))


def _table(resource: Resource) -> Any:
    if resource.table is None:
        raise TypeError(f"resource {resource.name} is not in SQL")
    return resource.table


def _conditions(resource: Resource, query: Query, dialect: str) -> list[ColumnElement[bool]]:
    return [_condition(resource.by_name[item.attribute], item, dialect) for item in query.filters]


def _condition(attribute: Attribute, item: Filter, dialect: str) -> ColumnElement[bool]:
    column = _expression(attribute)
    value = item.value
    if value is None:
        return column.is_(None) if item.operator is Operator.EQ else column.is_not(None)
    if isinstance(value, Pattern):
        if dialect == SQLITE:
            return column.op("GLOB", is_comparison=True)(_bound(attribute, value.glob))
        return column.like(_bound(attribute, value.sql), escape="\\")
    if isinstance(value, tuple):
        return column.in_(bindparam(None, value, _TYPES[attribute.type], expanding=True))
    if item.operator is Operator.CT:
        found = (
            func.instr(column, _bound(attribute, value)) if dialect == SQLITE else func.strpos(column, _bound(attribute, value))
        )
        return and_(column.is_not(None), found > 0)
    left, right = _ordered(attribute, dialect), _bound(attribute, value)
    match item.operator:
        case Operator.EQ:
            return column == right
        case Operator.NEQ:
            return column != right
        case Operator.LT:
            return left < right
        case Operator.GT:
            return left > right
        case Operator.LE:
            return left <= right
        case _:
            return left >= right


def _bound(attribute: Attribute, value: Any) -> ColumnElement[Any]:
    return bindparam(None, value, _TYPES[attribute.type])


def _expression(attribute: Attribute) -> ColumnElement[Any]:
    if attribute.column is None:
        raise TypeError(f"attribute {attribute.name} is not in SQL")
    return attribute.column


def _ordered(attribute: Attribute, dialect: str) -> ColumnElement[Any]:
    column = _expression(attribute)
    return collate(column, "C") if attribute.type is Type.TEXT and dialect == POSTGRESQL else column
