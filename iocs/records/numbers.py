"""Text to number and back, as EPICS Base does both (``dbFastLinkConv.c``, ``epicsStdlib.c``, ``cvtFast.c``)."""

from __future__ import annotations

import re
from math import isnan

from iocs.records.fields import INTEGER_RANGE, Kind

_FLOAT = re.compile(r"\s*[+-]?(?:0[xX][0-9a-fA-F]+|inf(?:inity)?|nan|(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)", re.IGNORECASE)
_DECIMAL = re.compile(r"\s*[+-]?\d+")
_ANY_BASE = re.compile(r"\s*[+-]?(?:0[xX][0-9a-fA-F]+|\d+)")

WIDE = 10_000_000.0
VERY_WIDE = 1e16
MAX_PRECISION = 8


def parse_float(text: str, *, units: bool = False) -> float:
    """The number at the start of ``text``; empty text is 0.

    Args:
        text: what a client put or a file says.
        units: let a unit or anything else follow the number, as a put does and a file does not.

    Raises:
        ValueError: there is no number, or something follows it.
    """
    number = _match(_FLOAT, text, units=units)
    if not number:
        return 0.0
    return float(int(number, 16)) if "x" in number.lower() else float(number)


def parse_int(text: str, kind: Kind, *, units: bool = False) -> int:
    """The whole number at the start of ``text``, decimal in a put, ``0x10`` or ``020`` as well in a file; empty text is 0.

    Raises:
        ValueError: there is no number, something follows it, or ``kind`` cannot hold it.
    """
    number = _match(_DECIMAL if units else _ANY_BASE, text, units=units)
    if not number:
        return 0
    digits = number.lstrip("+-")
    octal = not units and len(digits) > 1 and digits.isdecimal() and digits[0] == "0"
    return fit_int(int(number, 8 if octal else 10 if units else 0), kind)


def _match(pattern: re.Pattern[str], text: str, *, units: bool) -> str:
    if not text:
        return ""
    match = pattern.match(text)
    if match is None:
        raise ValueError(f"{text!r} is not a number")
    if not units and text[match.end() :].strip():
        raise ValueError(f"{text!r} is not just a number")
    return match.group().strip()


def fit_int(value: float, kind: Kind) -> int:
    """``value`` cut to a whole number.

    Raises:
        ValueError: ``kind`` cannot hold it.
    """
    low, high = INTEGER_RANGE[kind]
    if isnan(value) or not low - 1 < value < high + 1:
        raise ValueError(f"{value} is not within {low} and {high}")
    return int(value)


def format_float(value: float, precision: int) -> str:
    """``value`` with ``precision`` digits after the point, very large ones and those of high precision with exponent."""
    precision &= 0xFFFF  # a negative PREC wraps round on its way through an unsigned argument
    if isnan(value) or precision > MAX_PRECISION or abs(value) > WIDE:
        if precision > MAX_PRECISION or abs(value) > VERY_WIDE:
            precision = min(precision, 17)
            return f"{value:{precision + 7}.{precision}e}"
        return f"{value:.{min(precision, 3)}f}"
    return f"{value:.{precision}f}"
