"""Short names for the definitions of attributes."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement

from web.attribute import Attribute, Type


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


def flag(name: str, title: str, description: str, column: ColumnElement[Any] | None = None) -> Attribute:
    """Yes or no."""
    return Attribute(name, Type.BOOLEAN, title, description, column=column)


def structure(name: str, title: str, description: str, column: ColumnElement[Any] | None = None) -> Attribute:
    """JSON as it was stored."""
    return Attribute(name, Type.OBJECT, title, description, column=column)
