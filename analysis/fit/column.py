"""What the columns of a table mean, by their names and units, or, of two without names, by the numbers themselves."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


class Meaning(Enum):
    """Of a column that an IV curve needs."""

    VOLTAGE = "voltage"
    CURRENT = "current"


UNITS = {"V": 1.0, "mV": 1e-3, "kV": 1e3} | {
    f"{prefix}A": factor
    for prefix, factor in (
        ("", 1.0),
        ("m", 1e-3),
        ("u", 1e-6),
        ("µ", 1e-6),
        ("μ", 1e-6),
        ("n", 1e-9),
        ("p", 1e-12),
        ("f", 1e-15),
    )
}
"""Volt or ampere in each."""

_OTHER_UNITS = ("", "-", "s", "ms", "h", "°C", "C", "degC", "K", "Ohm", "W")
_WORD = re.compile(r"[A-Za-zµμ]+")
_NOUNS = {
    Meaning.VOLTAGE: re.compile(r"volt(s|age)?|spannung|v_?bias", re.IGNORECASE),
    Meaning.CURRENT: re.compile(r"current|amp(s|eres?)?|strom|i_?dark", re.IGNORECASE),
}
_SIGNS = {
    Meaning.VOLTAGE: re.compile(r"[vVuU]|[mk]V|bias|Bias|BIAS"),
    Meaning.CURRENT: re.compile(r"[iIaA]|[muµμnpf]A"),
}
_ERRORS = re.compile(r"err(or)?|sigma|std|unc(ertainty)?|delta", re.IGNORECASE)

_FEWEST_REGULAR = 10
_REGULAR = 1.5
"""Largest over smallest distance of the steps of a sweep."""
_LEAST_VOLT, _LEAST_RANGE_V = 5.0, 0.5
"""Of the numbers of a sweep that came as the second column."""


@dataclass(frozen=True, slots=True)
class Column:
    """What a name says."""

    meaning: Meaning | None
    factor: float
    """Volt or ampere in one of the column."""


def read_name(name: str) -> Column:
    """What a column of this name holds; nouns count more than letters, and the first letter more than those after it."""
    words = _WORD.findall(name.replace("_", " "))
    if any(_ERRORS.fullmatch(word) for word in words):
        return Column(None, 1.0)
    meanings = [
        meaning for kinds in (_NOUNS, _SIGNS) for word in words for meaning, sign in kinds.items() if sign.fullmatch(word)
    ]
    if not meanings:
        return Column(None, 1.0)
    letter = "V" if meanings[0] is Meaning.VOLTAGE else "A"
    units = [word for word in words if word in UNITS and word.endswith(letter)]
    return Column(meanings[0], UNITS[units[-1]] if units else 1.0)


def is_line_of_units(cells: Sequence[str]) -> bool:
    """Whether a line below the names holds their units."""
    units = [cell.strip("()[] ") for cell in cells]
    return any(unit in UNITS for unit in units) and all(unit in UNITS or unit in _OTHER_UNITS for unit in units)


def is_current_first(numbers: Floats) -> bool:
    """Whether of two columns without names the second is the sweep: only it goes in even steps, of volts."""
    first, second = numbers.T
    voltage = np.abs(second)
    is_volt = voltage.max() > _LEAST_VOLT and np.ptp(second) > _LEAST_RANGE_V
    return bool(is_volt and _is_regular(second) and not _is_regular(first))


def _is_regular(values: Floats) -> bool:
    steps = np.diff(np.unique(values))
    return len(steps) >= _FEWEST_REGULAR and steps.max() < _REGULAR * steps.min()
