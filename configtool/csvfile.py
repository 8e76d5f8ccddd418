"""CSV files read strictly: what is not exactly as expected is one error with file, line and column."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from configtool.quantity import parse_number
from sipmdcs.errors import BadInput
from sipmdcs.inputfile import read_text

_MOST_BYTES = 64_000_000
"""Rows of half a million channels."""


@dataclass(frozen=True, slots=True)
class Row:
    """One data row with the place it was written at."""

    file: Path
    line: int
    cells: dict[str, str]

    def bad(self, column: str, message: str) -> BadInput:
        """An error about one cell."""
        return BadInput(message, file=self.file, line=self.line, key=column)

    def text(self, column: str, longest: int = 40) -> str:
        """A cell that holds something.

        Raises:
            BadInput: it is empty, longer than ``longest`` characters, has blanks around it, or holds a control character or a
                dollar sign, which would be a macro in a record.
        """
        cell = self.cells[column]
        if not cell:
            raise self.bad(column, "is empty")
        if len(cell) > longest:
            raise self.bad(column, f"{cell!r} has {len(cell)} characters, at most {longest} fit")
        if not cell.isprintable() or "$" in cell or cell != cell.strip():
            raise self.bad(column, f"{cell!r} holds a control character, a dollar sign or blanks around it")
        return cell

    def number(self, column: str) -> Decimal:
        """A plain decimal number.

        Raises:
            BadInput: it is something else.
        """
        try:
            return parse_number(self.cells[column])
        except ValueError as err:
            raise self.bad(column, f"{err}, expected one such as 57.42") from err


def read_csv(path: Path, columns: Sequence[str]) -> list[Row]:
    """All data rows of a comma-separated UTF-8 file whose first line names exactly ``columns``, in any order.

    A byte-order mark, either kind of line end and empty lines are accepted.

    Raises:
        BadInput: unreadable, not UTF-8, no data, another header, a row of another length, or quotes that do not close.
    """
    lines = _records(read_text(path, _MOST_BYTES), path)
    header_line, header = next(lines, (1, []))
    _check_header(header, columns, path, header_line)
    rows: list[Row] = []
    for line, cells in lines:
        if len(cells) != len(header):
            raise BadInput(f"row has {len(cells)} columns, the header {len(header)}", file=path, line=line)
        rows.append(Row(path, line, dict(zip(header, cells, strict=True))))
    if not rows:
        raise BadInput("holds no data rows", file=path, line=header_line)
    return rows


def _records(text: str, path: Path) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    line = 1
    try:
        for cells in reader:
            if cells:
                yield line, cells
            line = reader.line_num + 1
    except csv.Error as err:
        raise BadInput(f"not valid CSV: {err}", file=path, line=line) from err


def _check_header(header: Sequence[str], columns: Sequence[str], path: Path, line: int) -> None:
    expected = f"the header must be {','.join(columns)}"
    if not header:
        raise BadInput(f"is empty; {expected}", file=path, line=line)
    if other := next((sign for sign in ";\t" if len(header) == 1 and sign in header[0]), None):
        # What a spreadsheet writes where the comma is the decimal sign.
        raise BadInput(f"columns are separated by {other!r}, expected commas; {expected}", file=path, line=line, key=columns[0])
    for column in columns:
        if header.count(column) != 1:
            problem = "is missing" if column not in header else "is there twice"
            raise BadInput(f"column {problem}; {expected}", file=path, line=line, key=column)
    for column in header:
        if column not in columns:
            raise BadInput(f"unknown column; {expected}", file=path, line=line, key=column)
