"""Numbers of the PVs in a plain file beside the catalogue.

The log knows PVs by number only; with this file log and lake can be read even if the catalogue is lost.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path

from sipmdcs.durable import write_durably

FILE = "pvs.csv"


def read_numbers(folder: Path) -> dict[str, int]:
    """Number of each PV by name; empty if there is no such file.

    Raises:
        OSError: it cannot be read.
        ValueError: it is something else.
    """
    path = folder / FILE
    if not path.exists():
        return {}
    return {name: int(number) for number, name in csv.reader(io.StringIO(path.read_text("utf-8")))}


def write_numbers(folder: Path, numbers: Mapping[str, int]) -> None:
    """Store them, all or nothing.

    Raises:
        OSError: the disk refuses.
    """
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows((number, name) for name, number in sorted(numbers.items(), key=_number))
    write_durably(folder / FILE, text.getvalue())


def _number(item: tuple[str, int]) -> int:
    return item[1]
