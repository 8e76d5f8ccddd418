"""A question to the archive and its answer, before any format."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from archiver.bins import Interval
from archiver.catalogue import ArchivedPv, Catalogue
from archiver.errors import NothingFound
from archiver.operators import Processing
from archiver.outages import outage_fields
from archiver.reader import Reader
from archiver.result import Marked
from archiver.rows import Flag
from archiver.samples import Samples
from sipmdcs.channels import PvType

_SHOWN = ((Flag.LATE, "late"), (Flag.FUTURE, "future"))
"""Flags that replies tell. Duplicates come with every reconnection, when a server sends again what it has."""


@dataclass(frozen=True, slots=True)
class Budget:
    """What one query may cost."""

    read: int = 10_000_000
    """Samples that an operator may read, 35 bytes each in memory."""
    answer: int = 1_000_000
    """Samples in an answer without operator, about 80 bytes each as JSON."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Samples of one PV with what is known about them."""

    pv: ArchivedPv
    samples: Samples
    type: PvType
    """Native type of the values: how numbers are to be written."""
    fields: Mapping[int, Mapping[str, str]]
    """Extra fields by index of the sample."""
    complete: bool = True
    """Whether every file that may hold some of it could be read."""


def ask(catalogue: Catalogue, reader: Reader, name: str, processing: Processing, interval: Interval, budget: Budget) -> Answer:
    """Samples of a PV, processed.

    Raises:
        NothingFound: no such PV was ever archived.
        BadQuery: the query makes no sense or would cost more than its budget.
    """
    pv = catalogue.pv(name)
    if pv is None:
        raise NothingFound(f"{name}: is not archived")
    limit = budget.answer if processing.name == "raw" else budget.read
    history = reader.read(pv.id, interval.from_ns, interval.to_ns, limit)
    outages = outage_fields(history)
    regained = np.zeros(len(history.samples), np.bool_)
    regained[list(outages)] = True
    result = processing.apply(Marked(history.samples, regained), interval)
    if result.binned:
        fields = {index: {"connectionChange": "true"} for index in np.flatnonzero(result.regained).tolist()}
    else:
        fields = _fields(result.samples, history.samples, outages)
    kind = result.type if result.type is not None else _type(pv, result.samples)
    return Answer(pv, result.samples, kind, fields, history.complete)


def _fields(samples: Samples, source: Samples, outages: Mapping[int, Mapping[str, str]]) -> dict[int, Mapping[str, str]]:
    """Fields of samples that were chosen from ``source``, where outages are marked."""
    fields: dict[int, Mapping[str, str]] = {}
    if outages:
        at_time = {int(source.time_ns[index]): names for index, names in outages.items()}
        for time_ns, names in at_time.items():
            index = int(np.searchsorted(samples.time_ns, time_ns))
            if index < len(samples) and samples.time_ns[index] == time_ns:
                fields[index] = names
    for flag, name in _SHOWN:
        for index in np.flatnonzero(samples.flags & flag).tolist():
            fields[index] = {**fields.get(index, {}), name: "true"}
    return dict(sorted(fields.items()))


def _type(pv: ArchivedPv, samples: Samples) -> PvType:
    """The type that the PV had when the newest of these samples came in."""
    newest = int(samples.received_ns[-1]) if len(samples) else 0
    spans = [span for span in pv.types if span.since_ns <= newest]
    return spans[-1].type if spans else PvType.DOUBLE
