"""Short names for the definitions of attributes."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, func

from web.attribute import Attribute, Type
from web.durations import NOW, seconds_between


def text(name: str, title: str, description: str, column: ColumnElement[Any] | None = None) -> Attribute:
    """A text."""
    return Attribute(name, Type.TEXT, title, description, column=column)


def whole(name: str, title: str, description: str, column: ColumnElement[Any] | None = None, unit: str = "") -> Attribute:
    """A whole number."""
    return Attribute(name, Type.INTEGER, title, description, unit, column=column)


def number(
    name: str, title: str, description: str, column: ColumnElement[Any] | None = None, unit: str = "", unit_from: str = ""
) -> Attribute:
    """A number; its unit is the same in every row, or in an attribute of the row."""
    return Attribute(name, Type.NUMBER, title, description, unit, unit_from, column)


def moment(name: str, title: str, description: str, column: ColumnElement[Any] | None = None) -> Attribute:
    """A time."""
    return Attribute(name, Type.TIME, title, description, column=column)


def elapsed(name: str, title: str, description: str, start: ColumnElement[Any], end: ColumnElement[Any]) -> Attribute:
    """Seconds from one time to another, as long as that is null to now."""
    column = seconds_between(start, func.coalesce(end, NOW))
    return Attribute(name, Type.NUMBER, title, description, "s", column=column, moving=end.is_(None))


def flag(name: str, title: str, description: str, column: ColumnElement[Any] | None = None) -> Attribute:
    """Yes or no."""
    return Attribute(name, Type.BOOLEAN, title, description, column=column)


def structure(name: str, title: str, description: str, column: ColumnElement[Any] | None = None) -> Attribute:
    """JSON as it was stored."""
    return Attribute(name, Type.OBJECT, title, description, column=column)
