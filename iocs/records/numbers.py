"""Text to number and back, as EPICS Base does both (``dbFastLinkConv.c``, ``epicsStdlib.c``, ``cvtFast.c``)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import isnan

from iocs.records.fields import INTEGER_RANGE, Kind

_FLOAT = re.compile(
    r"\s*[+-]?(?:0[xX][0-9a-fA-F]+|inf(?:inity)?|nan|(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)", re.IGNORECASE | re.ASCII
)
_INTEGER = re.compile(r"\s*[+-]?(?:0[xX][0-9a-fA-F]+|0[0-7]*|[1-9]\d*)")

WIDE = 10_000_000.0
PLAIN_PRECISION = 8
"""Beyond these two a number is not written out digit by digit."""


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
    """The whole number at the start of ``text``, written as in C: ``0x10`` and ``020`` are 16; empty text is 0.

    Raises:
        ValueError: there is no number, something follows it that is no unit, or ``kind`` cannot hold it.
    """
    number = _match(_INTEGER, text, units=units)
    if not number:
        return 0
    digits = number.lstrip("+-")
    octal = len(digits) > 1 and digits[0] == "0" and digits[1] in "01234567"
    return fit_int(int(number, 8 if octal else 16 if "x" in number.lower() else 10), kind)


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


@dataclass(frozen=True, slots=True)
class _Format:
    """Where the plain notation of a type ends."""

    very_wide: float
    max_precision: int
    exponent_width: int
    """Columns a number with exponent takes beyond its precision."""


_DOUBLE = _Format(1e16, 17, 7)
_SINGLE = _Format(1e8, 12, 6)


def format_float(value: float, precision: int, *, single: bool = False) -> str:
    """``value`` with ``precision`` digits after the point, very large ones and those of high precision with exponent.

    Halves are rounded away from zero, which Python's own formatting does not do.

    Args:
        value: what to show.
        precision: as ``PREC`` says.
        single: it comes from 32 bits.
    """
    form = _SINGLE if single else _DOUBLE
    precision &= 0xFFFF  # a negative PREC wraps round on its way through an unsigned argument
    if isnan(value) or precision > PLAIN_PRECISION or abs(value) > WIDE:
        if precision > PLAIN_PRECISION or abs(value) > form.very_wide:
            precision = min(precision, form.max_precision)
            return f"{value:{precision + form.exponent_width}.{precision}e}"
        return f"{value:.{min(precision, 3)}f}"
    whole = int(abs(value))
    scale = 10**precision
    fraction = (int((abs(value) - whole) * scale * 10) + 5) // 10
    if fraction >= scale:
        whole, fraction = whole + 1, fraction - scale
    sign = "-" if value < 0 else ""
    return f"{sign}{whole}.{fraction:0{precision}d}" if precision else f"{sign}{whole}"
