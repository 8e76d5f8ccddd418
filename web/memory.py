"""Filters, order and pages over rows in memory: the same meaning as ``select`` has in SQL."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import eq, ge, gt, le, lt, ne
from typing import Any

from web.like import Pattern
from web.query import Filter, Operator, Page, Query, Row, SortKey
from web.resource import Resource

_COMPARE: Mapping[Operator, Callable[[Any, Any], bool]] = {
    Operator.EQ: eq,
    Operator.NEQ: ne,
    Operator.LT: lt,
    Operator.GT: gt,
    Operator.LE: le,
    Operator.GE: ge,
    Operator.CT: lambda text, part: part in text,
    Operator.IN: lambda value, values: value in values,
}


def answer(resource: Resource, rows: Iterable[Row], query: Query) -> Page:
    """The page of ``rows`` that a query asks for."""
    found = [*rows]
    for condition in query.filters:
        found = [row for row in found if matches(row.values, condition)]
    if query.distinct:
        unlike = {tuple(row.values[name] for name in query.columns): row for row in found}
        return Page(_page([*unlike.values()], query, [SortKey(name) for name in query.columns]), len(found))
    for name in reversed(resource.key):
        found.sort(key=lambda row, name=name: row.values[name])
    return Page(_page(found, query, query.sort), len(found))


def _page(found: list[Row], query: Query, sort: Sequence[SortKey]) -> list[Row]:
    for key in reversed(sort):
        _sort(found, key.attribute, descending=key.descending)
    chosen = found[query.offset : query.offset + query.limit]
    return [_projected(row, query.columns) for row in chosen]


def matches(values: Mapping[str, Any], condition: Filter) -> bool:
    """Whether a row meets one condition."""
    value = values[condition.attribute]
    if condition.value is None:
        return (value is None) is (condition.operator is Operator.EQ)
    if value is None:
        return False
    if isinstance(condition.value, Pattern):
        return condition.value.matches(value)
    return _COMPARE[condition.operator](value, condition.value)


def _sort(rows: list[Row], name: str, *, descending: bool) -> None:
    # Two stable passes: reverse=True keeps the order of equals, and nulls go last whatever the direction.
    known = [row for row in rows if row.values[name] is not None]
    known.sort(key=lambda row: row.values[name], reverse=descending)
    rows[:] = known + [row for row in rows if row.values[name] is None]


def _projected(row: Row, columns: Sequence[str]) -> Row:
    if not row.notes:
        return Row({name: row.values[name] for name in columns})
    notes = {name: row.notes[name] for name in columns if name in row.notes}
    return Row({name: row.values[name] for name in columns}, notes)
