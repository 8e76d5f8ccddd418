"""Values of attributes as text in a query and as JSON in an answer."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from typing import Any

from web.attribute import Attribute, Type
from web.like import read_pattern
from web.query import Operator, Value

_ORDERED = (Operator.EQ, Operator.NEQ, Operator.LT, Operator.GT, Operator.LE, Operator.GE)
_OFFERED: Mapping[Type, tuple[Operator, ...]] = {
    Type.INTEGER: _ORDERED,
    Type.NUMBER: _ORDERED,
    Type.TIME: _ORDERED,
    Type.TEXT: (*_ORDERED, Operator.LIKE, Operator.CT),
    Type.BOOLEAN: (Operator.EQ, Operator.NEQ),
    Type.OBJECT: (),
}
NULL = "null"
_LONGEST_INTEGER = 19
"""Digits of the largest 64-bit integer."""


class BadValue(ValueError):
    """A text that is no value of an attribute; the message says what was expected."""


def operators(attribute: Attribute) -> tuple[Operator, ...]:
    """Operators that make sense for an attribute."""
    return _OFFERED[attribute.type]


def read_value(attribute: Attribute, operator: Operator, text: str) -> Value:
    """The value that ``text`` stands for; ``null`` is a null.

    Raises:
        BadValue: it stands for none, or ``operator`` does not go with the type of the attribute.
    """
    offered = operators(attribute)
    if operator not in offered:
        raise BadValue(f"{operator} does not go with {attribute.name} ({attribute.type}), expected {_listed(offered)}")
    if "\0" in text:
        raise BadValue("a NUL character is in no text")
    if text == NULL and operator in (Operator.EQ, Operator.NEQ):
        return None
    if operator is Operator.LIKE:
        try:
            return read_pattern(text)
        except ValueError as err:
            raise BadValue(str(err)) from err
    return _READERS[attribute.type](text)


def _listed(offered: tuple[Operator, ...]) -> str:
    return ", ".join(offered) or "no filter at all"


def _integer(text: str) -> int:
    # No two parts of the expression may take the same character: the time would be quadratic in a long text.
    match = re.fullmatch(r"([+-]?)(?:0+|0*([1-9][0-9]*))", text, re.ASCII)
    digits = "" if match is None else match[2] or "0"
    number = int(f"{match[1]}{digits}") if match is not None and len(digits) <= _LONGEST_INTEGER else None
    if number is None or not -(2**63) <= number < 2**63:
        raise BadValue(f"{shown(text)} is no whole number of 64 bits")
    return number


def _number(text: str) -> float:
    number = float(text) if re.fullmatch(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", text, re.ASCII) else math.nan
    if not math.isfinite(number):
        raise BadValue(f"{shown(text)} is no finite number")
    return number


def _boolean(text: str) -> bool:
    if text not in ("true", "false"):
        raise BadValue(f"{shown(text)} is neither true nor false")
    return text == "true"


def _time(text: str) -> datetime:
    try:
        # In a query "+02:00" arrives as " 02:00" from those who do not escape it.
        when = datetime.fromisoformat(re.sub(r" (\d\d:?\d\d)$", r"+\1", text) if text.count(":") > 2 else text)
        return when.replace(tzinfo=UTC) if when.tzinfo is None else when.astimezone(UTC)
    except (ValueError, OverflowError) as err:
        raise BadValue(f"{shown(text)} is no time such as 2026-11-21T10:00:00Z") from err


_READERS: Mapping[Type, Callable[[str], Value]] = {
    Type.INTEGER: _integer,
    Type.NUMBER: _number,
    Type.TEXT: str,
    Type.BOOLEAN: _boolean,
    Type.TIME: _time,
}


_PLAIN = frozenset((str, int, bool))


def shown(text: str) -> str:
    """Somebody's text for a message: quoted and not too long."""
    return repr(text if len(text) <= 60 else f"{text[:57]}...")


def iso(when: datetime) -> str:
    """``2026-11-21T10:00:00Z``, with microseconds if there are any."""
    return f"{when.astimezone(UTC).replace(tzinfo=None).isoformat()}Z"


def presentation(when: datetime) -> str:
    """``2026-11-21 10:00:00``, UTC."""
    return f"{when.astimezone(UTC):%Y-%m-%d %H:%M:%S}"


def json_value(value: Any, time: Callable[[datetime], str] = iso) -> Any:
    """A value as JSON can hold it: numbers that are not finite are null, wherever they are."""
    if value is None or type(value) in _PLAIN:  # most values by far, and `match` asks for each class in turn
        return value
    match value:
        case bool() | int() | str():
            return value
        case float():
            return value if math.isfinite(value) else None
        case datetime():
            return time(value)
        case date():
            return value.isoformat()
        case Mapping():
            return {str(key): json_value(item, time) for key, item in value.items()}
        case list() | tuple():
            return [json_value(item, time) for item in value]
        case _:
            return str(value)
