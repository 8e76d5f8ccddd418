"""Files of IV curves, charges and counts, in the forms in which laboratories keep them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from analysis.fit.column import Meaning, is_current_first, read_name
from analysis.fit.number_table import NumberTable, read_number_table
from sipmdcs.errors import BadInput

Floats = NDArray[np.float64]

_WINDOW = re.compile(r"time range\s*[:=]?\s*([0-9.eE+-]+)", re.IGNORECASE)
_SHOWN = 60
_SCAN_ROWS = 3
"""Of a LabVIEW counter scan before its counts: thresholds in mV, gates in ms, repeats."""


@dataclass(frozen=True, slots=True)
class Counts:
    """Counts of one threshold."""

    counts: Floats
    """Shape (N,)."""
    window_s: float | None
    """As the file says, if it does."""
    threshold_mV: float | None = None


def read_iv(file: Path) -> Floats:
    """Volt and ampere of an IV curve, shape (N, 2).

    Two columns, or more with names of which one means voltage and one current, each with its unit if it is not volt and
    ampere. Two columns without names may stand in either order if the voltages go in even steps.

    Raises:
        BadInput: the file is none.
    """
    table = read_number_table(file)
    columns = table.numbers.shape[1]
    meanings = [read_name(name) for name in table.names]
    volts = [index for index, one in enumerate(meanings) if one.meaning is Meaning.VOLTAGE]
    amperes = [index for index, one in enumerate(meanings) if one.meaning is Meaning.CURRENT]
    if len(volts) == 1 and len(amperes) == 1:
        pair = [volts[0], amperes[0]]
        return table.numbers[:, pair] * [meanings[index].factor for index in pair]
    if columns != 2:
        named = f" ({', '.join(table.names)[:_SHOWN]})" if table.names else ""
        message = f"{columns} columns{named}, expected two, or names of which one means a voltage and one a current"
        raise BadInput(message, file=file, line=table.first_line)
    return table.numbers[:, ::-1] if is_current_first(table.numbers) else table.numbers


def read_charges(file: Path) -> Floats:
    """Charges, one per line, shape (N,).

    Raises:
        BadInput: the file is none.
    """
    return _one_column(read_number_table(file), "charge of an event")


def read_counts(file: Path) -> list[Counts]:
    """Counts, one window per line; or a LabVIEW counter scan, one column per threshold.

    The window may be in a comment, ``time range 4e-07``.

    Raises:
        BadInput: the file is neither.
    """
    table = read_number_table(file)
    if table.numbers.shape[1] > 1:
        return _counter_scan(table)
    return [Counts(_one_column(table, "count of a window"), _window(table))]


def _one_column(table: NumberTable, what: str) -> Floats:
    if table.numbers.shape[1] != 1:
        message = f"{table.numbers.shape[1]} columns, expected one: the {what} on each line"
        raise BadInput(message, file=table.file, line=table.first_line)
    return table.numbers[:, 0]


def _window(table: NumberTable) -> float | None:
    for line, text in enumerate(table.header, start=1):
        if found := _WINDOW.search(text):
            try:
                return float(found[1])
            except ValueError:
                raise BadInput(f"time range {found[1]!r} is no number of seconds", file=table.file, line=line) from None
    return None


def _counter_scan(table: NumberTable) -> list[Counts]:
    numbers, file, line = table.numbers, table.file, table.first_line
    columns = numbers.shape[1]
    if len(numbers) <= _SCAN_ROWS:
        raise BadInput(f"{columns} columns in {len(numbers)} lines, expected a count on each line", file=file, line=line)
    thresholds, gates_ms, repeats = numbers[:_SCAN_ROWS]
    rows = len(numbers) - _SCAN_ROWS
    if not (np.diff(thresholds) > 0).all() or (gates_ms <= 0).any() or (repeats != repeats[0]).any():
        message = f"{columns} columns, expected a count on each line, or lines of thresholds, gates and repeats before counts"
        raise BadInput(message, file=file, line=line)
    if repeats[0] != rows:
        raise BadInput(f"{repeats[0]:g} repeats announced, {rows} lines of counts follow", file=file, line=line + 2)
    return [
        Counts(numbers[_SCAN_ROWS:, column], float(gates_ms[column]) / 1000, float(thresholds[column]))
        for column in range(columns)
    ]
