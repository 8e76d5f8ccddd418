"""One column of a resource, as data: everything the query core, both dialects and the OpenAPI document know of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement


class Type(StrEnum):
    """What an attribute holds; the values are the ``api_type`` that clients are told."""

    INTEGER = "integer"
    NUMBER = "number"
    TEXT = "string"
    BOOLEAN = "boolean"
    TIME = "datetime"
    OBJECT = "object"
    """JSON as it was stored; neither sorted nor filtered by."""


@dataclass(frozen=True, slots=True, eq=False)
class Attribute:
    """Definition of one attribute."""

    name: str
    type: Type
    title: str
    """Column heading."""
    description: str
    unit: str = ""
    """Of every row; empty if there is none or it differs from row to row."""
    unit_from: str = ""
    """Attribute of the same row that holds the unit."""
    column: ColumnElement[Any] | None = None
    """Its SQL expression; ``None`` where rows do not come from SQL."""
    moving: ColumnElement[bool] | None = None
    """In which rows it follows the present; ``None`` for in none."""

    @property
    def comparable(self) -> bool:
        """Whether rows can be sorted and filtered by it."""
        return self.type is not Type.OBJECT
