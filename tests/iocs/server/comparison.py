"""Two clients, one of a real EPICS Base IOC and one of our server, and where their answers differ."""

from __future__ import annotations

import re
from collections.abc import Iterable

from iocs.records.load import TYPES
from sipmdcs.epicsdb import Record
from tests.iocs.server.conftest import Client

Pair = tuple[Client, Client]


def differences(base: Client, ours: Client, names: list[str], form: int, number: int | None = None) -> list[str]:
    """Where the two answer differently; time stamps are not compared, and ``DTYP`` by its text only."""
    found: list[str] = []
    for name, theirs, mine in zip(
        names, base.get(*names, form=form, base=number), ours.get(*names, form=form, base=number), strict=True
    ):
        if theirs is None or mine is None:
            found.append(f"{name}: connected {theirs is not None} {mine is not None}")
            continue
        skip = {"time"}
        if name.endswith(".DTYP") and number != 0:
            skip |= {"values", "labels"}
        if re.search(r"\.(DTYP|INP|OUT|DOL|FLNK|RTYP|OVAL)\$?$", name):
            skip.add("writable")
        found += [
            f"{name} {key}: {theirs.get(key)} {mine.get(key)}"
            for key in sorted((theirs.keys() | mine.keys()) - skip)
            if repr(theirs.get(key)) != repr(mine.get(key))
        ]
    return found


def all_fields(records: Iterable[Record]) -> list[str]:
    return [f"{record.name}.{field}" for record in records for field in [*TYPES[record.type].FIELDS, "RTYP"]]
