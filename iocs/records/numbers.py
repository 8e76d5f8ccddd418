"""Text to number and back, as EPICS Base does both (``dbFastLinkConv.c``, ``epicsStdlib.c``, ``cvtFast.c``)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import inf, isinf, isnan

import numpy as np
from numpy.typing import NDArray

from iocs.records.fields import INTEGER_RANGE, Kind

_FLOAT = re.compile(
    r"""\s*(?P<number>[+-]?(?:
        0x(?P<hex>[0-9a-f]+\.?[0-9a-f]*|\.[0-9a-f]+)(?:p[+-]?\d+)?
      | inf(?:inity)? | (?P<nan>nan(?:\(\w*\))?)
      | (?P<decimal>\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?))""",
    re.IGNORECASE | re.ASCII | re.VERBOSE,
)
_INTEGER = re.compile(r"\s*(?P<number>[+-]?(?:0[xX][0-9a-fA-F]+|0[0-7]*|[1-9]\d*))", re.ASCII)
_BLANK = " \t\n\r\f\v"
"""What ``isspace`` takes for blank; Python takes more."""
_SMALLEST_DOUBLE = 2.2250738585072014e-308
SMALLEST_FLOAT = 1.1754943508222875e-38
LARGEST_FLOAT = 3.4028234663852886e38
"""``DBL_MIN``, ``FLT_MIN`` and ``FLT_MAX`` of C."""

WIDE = 10_000_000.0
PLAIN_PRECISION = 8
"""Beyond these two a number is not written out digit by digit."""


def parse_float(text: str, *, units: bool = False, single: bool = False) -> float:
    """The number at the start of ``text``, decimal or hexadecimal as in C; empty text is 0.

    Args:
        text: what a client put or a file says.
        units: let a unit or anything else follow the number, as a put does and a file does not.
        single: it is meant for 32 bits.

    Raises:
        ValueError: there is no number, something follows it, or it is too large or too small for its type
            (``ERANGE`` of ``strtod``, which ``epicsParseDouble`` refuses).
    """
    if not text:
        return 0.0
    match = _match(_FLOAT, text, units=units)
    number = match["number"]
    if match["nan"]:
        return float(number.partition("(")[0])
    try:
        value = float.fromhex(number) if match["hex"] else float(number)
    except OverflowError:
        value = inf
    digits = match["hex"] or match["decimal"] or ""
    if not digits:
        return value
    smallest = 0.0 if match["hex"] else _SMALLEST_DOUBLE
    is_small = abs(value) < smallest or value == 0
    is_large = isinf(value)
    if single:
        is_small, is_large = is_small or abs(value) <= SMALLEST_FLOAT, is_large or abs(value) >= LARGEST_FLOAT
    if is_large or (is_small and digits.strip("0.")):
        raise ValueError(f"{number} is too {'large' if is_large else 'small'} a number")
    return value


def parse_int(text: str, kind: Kind, *, units: bool = False) -> int:
    """The whole number at the start of ``text``, written as in C: ``0x10`` and ``020`` are 16; empty text is 0.

    An ULONG may be written as a real number, of which the whole part counts (``cvt_st_ul``).

    Raises:
        ValueError: there is no number, something follows it that is no unit, or ``kind`` cannot hold it.
    """
    if kind is Kind.ULONG and units and _is_real(text):
        return fit_int(parse_float(text, units=True), kind)
    return fit_int(parse_whole(text, units=units), kind)


def _is_real(text: str) -> bool:
    match = _INTEGER.match(text)
    return bool(text) and (match is None or text[match.end() : match.end() + 1] in tuple(".eE"))


def parse_whole(text: str, *, units: bool = False) -> int:
    """As ``parse_int``, of any size.

    Raises:
        ValueError: there is no number, or something follows it that is no unit.
    """
    if not text:
        return 0
    number = _match(_INTEGER, text, units=units)["number"]
    digits = number.lstrip("+-")
    if digits[:2] in ("0x", "0X"):
        return int(number, 16)
    return int(number, 8 if digits[0] == "0" else 10)


def _match(pattern: re.Pattern[str], text: str, *, units: bool) -> re.Match[str]:
    match = pattern.match(text)
    if match is None:
        raise ValueError(f"{text!r} is not a number")
    if not units and text[match.end() :].strip(_BLANK):
        raise ValueError(f"{text!r} is not just a number")
    return match


def fit_int(value: float, kind: Kind) -> int:
    """``value`` cut to a whole number.

    Raises:
        ValueError: ``kind`` cannot hold it.
    """
    low, high = INTEGER_RANGE[kind]
    if isnan(value) or not low - 1 < value < high + 1:
        raise ValueError(f"{value} is not within {low} and {high}")
    return int(value)


def as_single(values: NDArray[np.generic]) -> NDArray[np.float32]:
    """In 32 bits: what is too large or too small becomes the end of what they hold (``epicsConvertDoubleToFloat``)."""
    if (values.dtype.kind, values.dtype.itemsize) != ("f", 8):
        return values.astype(np.float32)
    doubles = values.astype(np.float64)
    is_kept = (doubles == 0) | ~np.isfinite(doubles)
    fitted = np.copysign(np.clip(np.abs(doubles), SMALLEST_FLOAT, LARGEST_FLOAT), doubles)
    return np.where(is_kept, doubles, fitted).astype(np.float32)


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
