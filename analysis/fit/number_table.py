"""Text files of numbers as laboratories write them, read strictly: whatever is no number is named with its line.

Comments begin with ``#``, ``%`` or ``//``. Columns are separated by semicolons, tabs, commas or blanks, whichever the first
line of numbers has; one line of column names, in a comment or not, and one of units may come before it. Between semicolons or
tabs a comma may be the decimal point.
"""

from __future__ import annotations

import io
import math
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from analysis.fit.column import is_line_of_units
from sipmdcs.errors import BadInput
from sipmdcs.inputfile import read_whole

Floats = NDArray[np.float64]

_SEPARATORS = (";", "\t", ",")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_NOT_FINITE = re.compile(r"[+-]?(nan|inf|infinity)", re.IGNORECASE)
_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1f]")
_COMMENTS = ("#", "%", "//")
_QUOTES = "\"' \t"
_SHOWN = 40
MOST_BYTES = 200_000_000
"""Ten million numbers and more; they take ten times as much memory while they are read."""


@dataclass(frozen=True, slots=True)
class NumberTable:
    """Numbers of a file."""

    file: Path
    numbers: Floats
    """Shape (rows, columns)."""
    first_line: int
    """Of the numbers, counted from 1."""
    header: tuple[str, ...]
    """Comments before the numbers, without ``#``."""
    names: tuple[str, ...]
    """Column names, if the file has them."""


def read_number_table(file: Path) -> NumberTable:
    """Read a text file, or a ``.npy`` file of one or two dimensions.

    Raises:
        BadInput: it cannot be read, holds no numbers, or something else than numbers.
    """
    if file.suffix == ".npy":
        return NumberTable(file, _read_npy(file), 1, (), ())
    header, names, rows, first_line = list[str](), tuple[str, ...](), list[list[float]](), 0
    separator, columns = None, 0
    for number, line in enumerate(_read_lines(file), start=1):
        text = line.strip(" \r\n")
        if text.startswith(_COMMENTS):
            if not rows:
                header.append(text.lstrip("#%/ ").rstrip())
            continue
        if not text.strip():
            continue
        if not rows and not names:
            separator = next((mark for mark in _SEPARATORS if mark in text), None)
        cells = _cells(text, separator)
        if not rows and not names and not any(map(_is_number, cells)):
            names = tuple(cells)
            continue
        if not rows and names and len(cells) == len(names) and is_line_of_units(cells):
            names = tuple(f"{name} {unit}" for name, unit in zip(names, cells, strict=True))
            continue
        if not rows:
            columns, first_line = len(cells), number
        if len(cells) != columns:
            raise BadInput(f"{len(cells)} columns, expected {columns} as in line {first_line}", file=file, line=number)
        rows.append([_number(cell, separator, file, number) for cell in cells])
    if not rows:
        raise BadInput("no numbers in it", file=file)
    if not names and header and columns > 1:
        names = tuple(_cells(header[-1], separator))
    return NumberTable(file, np.array(rows), first_line, tuple(header), names if len(names) == columns else ())


def _read_lines(file: Path) -> list[str]:
    content = read_whole(file, MOST_BYTES)
    encoding = "utf-16" if content.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as err:
        if encoding == "utf-16" or _CONTROL.search(content):
            raise BadInput(f"is no text: byte {err.start + 1} is {content[err.start]:#04x}", file=file) from err
        text = content.decode("latin-1")  # a degree sign of an older program
    return text.splitlines()


def _cells(text: str, separator: str | None) -> list[str]:
    if separator is None:
        return [cell.strip(_QUOTES) for cell in text.split()]
    cells = [cell.strip(_QUOTES) for cell in text.split(separator)]
    if len(cells) > 1 and not cells[-1]:
        cells.pop()  # LabVIEW ends each line with a separator
    return cells


def _is_number(cell: str) -> bool:
    return bool(_NUMBER.fullmatch(cell.replace(",", ".", 1)) or _NOT_FINITE.fullmatch(cell))


def _number(cell: str, separator: str | None, file: Path, line: int) -> float:
    text = cell.replace(",", ".", 1) if separator in (";", "\t") else cell
    if _NUMBER.fullmatch(text) and math.isfinite(value := float(text)):
        return value
    shown = cell if len(cell) <= _SHOWN else f"{cell[:_SHOWN]}…"
    raise BadInput(f"{shown!r} is no number; expected a finite one", file=file, line=line)


def _read_npy(file: Path) -> Floats:
    content = io.BytesIO(read_whole(file, MOST_BYTES))
    try:
        array = np.load(content, allow_pickle=False)
    except (ValueError, EOFError, MemoryError, OverflowError) as err:  # it may promise any number of numbers
        raise BadInput("is no NumPy array of numbers", file=file) from err
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "iuf" or array.ndim not in (1, 2):
        raise BadInput("expected numbers in one or two dimensions", file=file)
    return np.asarray(array, dtype=float).reshape(len(array), -1)
