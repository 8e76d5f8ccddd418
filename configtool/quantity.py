"""Exact numbers: decimal arithmetic and one spelling per value, so that 52.42 + 5.00 is 57.42 and hashes agree."""

from __future__ import annotations

import re
from decimal import Decimal

_NUMBER = re.compile(r"[+-]?(\d{1,12})(\.\d{1,12})?", re.ASCII)


def parse_number(text: str) -> Decimal:
    """A number written in plain decimals, such as ``57.42`` or ``-3``.

    NaN, infinities, exponents, underscores and digits of other scripts are refused, although ``Decimal`` takes them.

    Raises:
        ValueError: anything else than at most 12 digits, and a point with at most 12 more.
    """
    if _NUMBER.fullmatch(text) is None:
        raise ValueError(f"{text!r} is not a plain decimal number")
    return Decimal(text)


def spell(value: Decimal) -> str:
    """The one spelling of a value: no exponent, no trailing zeros, ``0`` for negative zero.

    Raises:
        ValueError: the value is NaN or infinite.
    """
    if not value.is_finite():
        raise ValueError(f"{value} is not a finite number")
    if value == 0:
        return "0"
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def display(value: Decimal, decimals: int = 2) -> str:
    """A value for people: at least ``decimals`` digits after the point, more where it has more."""
    text = spell(value)
    whole, _, fraction = text.partition(".")
    return f"{whole}.{fraction:0<{decimals}}" if decimals else text
