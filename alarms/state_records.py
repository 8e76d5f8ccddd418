"""The records that show the alarm state of nodes and PVs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from sipmdcs.epicsdb import Record, load_template
from sipmdcs.errors import BadInput

AT_START = 0
"""What each of them holds until something else is posted: ``Level.OK``."""

_DESC_LENGTH = 40


class StateRecords(Mapping[str, Record]):
    """One record for each node and leaf, by name, made when it is asked for: of a hundred thousand few ever are."""

    def __init__(self, template: Path, meanings: Mapping[str, str]) -> None:
        """Make none yet.

        Args:
            template: makes the one record ``$(P)``, described by ``$(DESC)``.
            meanings: what each record stands for, by its name.
        """
        self._template = template
        self._meanings = meanings

    def __getitem__(self, name: str) -> Record:
        records = load_template(self._template, {"P": name, "DESC": literal(self._meanings[name], _DESC_LENGTH)})
        if [record.name for record in records] != [name]:
            raise BadInput("makes other records than the one named $(P)", file=self._template)
        start = {"VAL": str(AT_START), "PINI": "YES"}
        return records[0]._replace(fields={**records[0].fields, **start})

    def __iter__(self) -> Iterator[str]:
        return iter(self._meanings)

    def __len__(self) -> int:
        return len(self._meanings)

    def __contains__(self, name: object) -> bool:
        return name in self._meanings


def literal(text: str, length: int) -> str:
    """Text that means itself in a template and fits into a field of ``length`` bytes."""
    return text.replace("$", "S").encode()[:length].decode(errors="ignore")
