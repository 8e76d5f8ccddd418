"""A query as SQL: picks the requested columns only, everything a client wrote being a bound parameter.

The count is taken on the narrow query, without columns and order. Texts compare by code point on both databases
(``COLLATE "C"`` on PostgreSQL, the default on SQLite), so that order does not depend on the locale of a server.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Double,
    Select,
    String,
    and_,
    bindparam,
    collate,
    false,
    func,
    literal,
    or_,
)
from sqlalchemy import select as sql_select
from sqlalchemy.types import TypeEngine

from sipmdcs.sqltypes import UtcDateTime
from web.attribute import Attribute, Type
from web.like import Pattern
from web.query import Filter, Operator, Query, SortKey
from web.resource import Resource

_TYPES: Mapping[Type, TypeEngine[Any] | UtcDateTime] = {
    Type.INTEGER: BigInteger(),
    Type.NUMBER: Double(),
    Type.TEXT: String(),
    Type.BOOLEAN: Boolean(),
    Type.TIME: UtcDateTime(),
}

SQLITE, POSTGRESQL = "sqlite", "postgresql"

_OFFSET, _LIMIT = bindparam("offset", type_=BigInteger), bindparam("limit", type_=BigInteger)
_KEPT = 64
"""Questions whose SQL is kept: the same few are asked again and again, and to write one takes as long as to answer it."""


def select_rows(resource: Resource, query: Query, dialect: str) -> tuple[Select[Any], ...]:
    """Rows, one column per requested attribute, labelled with its name: those of each select after those of the one before.

    Unless they are distinct, a last column says whether a value of the row follows the present.
    Each takes ``offset`` and ``limit`` as parameters. Nulls come last in either direction. No index is in that order for both,
    so that rows whose first sort key is null are a select of their own; without nulls any index will do.
    """
    return _select_rows(resource, replace(query, columns=tuple(query.columns), offset=0, limit=0), dialect)


@lru_cache(_KEPT)
def _select_rows(resource: Resource, query: Query, dialect: str) -> tuple[Select[Any], ...]:
    return tuple(part.offset(_OFFSET).limit(_LIMIT) for part in _parts(resource, query, dialect))


def _parts(resource: Resource, query: Query, dialect: str) -> list[Select[Any]]:
    columns: list[ColumnElement[Any]] = [_expression(resource.by_name[name]).label(name) for name in query.columns]
    if not query.distinct:
        columns.append(is_moving(resource, query.columns))
    statement = sql_select(*columns).select_from(_table(resource)).where(*_conditions(resource, query, dialect))
    if query.distinct:
        order = [_ordered(resource.by_name[name], dialect).asc().nulls_last() for name in query.columns]
        return [statement.group_by(*(_expression(resource.by_name[name]) for name in query.columns)).order_by(*order)]
    sorted_by = {key.attribute for key in query.sort}
    keys = [_ordered(resource.by_name[name], dialect).asc() for name in resource.key if name not in sorted_by]
    if not query.sort:
        return [statement.order_by(*keys)]
    first, *others = query.sort
    rest = [*(_sorted(resource.by_name[key.attribute], key, dialect) for key in others), *keys]
    attribute = resource.by_name[first.attribute]
    column = _ordered(attribute, dialect)
    known = statement.order_by(column.desc() if first.descending else column.asc(), *rest)
    if not may_be_null(attribute):
        return [known]
    bare = _expression(attribute)
    return [known.where(bare.is_not(None)), statement.where(bare.is_(None)).order_by(*rest)]


def is_moving(resource: Resource, names: Iterable[str]) -> ColumnElement[bool]:
    """Whether one of some attributes of a row follows the present."""
    conditions = [moving for name in names if (moving := resource.by_name[name].moving) is not None]
    return or_(*conditions) if conditions else false()


def select_count(resource: Resource, query: Query, dialect: str, most: int | None = None) -> Select[int]:
    """How many rows match; counting ends beyond ``most``."""
    conditions = _conditions(resource, query, dialect)
    if most is None:
        return sql_select(func.count()).select_from(_table(resource)).where(*conditions)
    some = sql_select(literal(1)).select_from(_table(resource)).where(*conditions).limit(most + 1)
    return sql_select(func.count()).select_from(some.subquery())


def may_be_null(attribute: Attribute) -> bool:
    """Whether a column can be null; an expression can."""
    column = attribute.column
    return not (isinstance(column, Column) and column.nullable is False)


def _sorted(attribute: Attribute, key: SortKey, dialect: str) -> ColumnElement[Any]:
    column = _ordered(attribute, dialect)
    ordered = column.desc() if key.descending else column.asc()
    return ordered.nulls_last() if may_be_null(attribute) else ordered


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
