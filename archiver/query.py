"""A question to the archive and its answer, before any format."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from archiver.bins import Interval
from archiver.catalogue import ArchivedPv, Catalogue
from archiver.errors import NothingFound
from archiver.operators import Processing
from archiver.outages import gap_fields, gaps_of
from archiver.reader import Reader
from archiver.result import Marked
from archiver.rows import Flag
from archiver.samples import Samples
from sipmdcs.channels import PvType
from sipmdcs.history import Gap, Reason

_SHOWN = ((Flag.LATE, "late"), (Flag.FUTURE, "future"))
"""Flags that replies tell. Duplicates come with every reconnection, when a server sends again what it has."""


_LAKE_NS = 1_000_000


@dataclass(frozen=True, slots=True)
class Budget:
    """What one query may cost."""

    read: int = 10_000_000
    """Samples that an operator may read, 35 bytes each in memory."""
    answer: int = 1_000_000
    """Samples in an answer without operator, about 80 bytes each as JSON."""
    request: int = 300_000_000
    """Samples read for all PVs of one request, half a minute of a processor."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Samples of one PV with what is known about them."""

    pv: ArchivedPv
    samples: Samples
    types: NDArray[np.uint8]
    """``PvType`` of each sample as it was archived: how it is to be written."""
    fields: Mapping[int, Mapping[str, str]]
    """Extra fields by index of the sample."""
    gaps: Sequence[Gap] = ()
    """When nothing was known, from the first sample that was looked at on."""
    ends_in: Gap | None = None
    """The gap that the end of the query lies in."""
    unit: str | None = None
    """Unit of the newest sample; ``None`` where the PV has none."""
    complete: bool = True
    """Whether every file that may hold some of it could be read."""
    read: int = 0
    """Samples that were read for it."""


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
    gaps = gaps_of(history.samples, history.links, history.outages)
    if gaps and not pv.active and gaps[-1].known_ns is None:
        gaps[-1] = replace(gaps[-1], reason=Reason.NOT_ARCHIVED)
    outages = gap_fields(history.samples, history.links, gaps)
    regained = np.zeros(len(history.samples), np.bool_)
    regained[list(outages)] = True
    result = processing.apply(Marked(history.samples, regained), interval)
    if result.binned:
        fields = {index: {"connectionChange": "true"} for index in np.flatnonzero(result.regained).tolist()}
    else:
        fields = _fields(result.samples, history.samples, outages)
    spans = _spans(pv, result.samples)
    types = np.array([span.type for span in pv.types] or [PvType.DOUBLE], np.uint8)[spans]
    if result.type is not None:
        types[:] = result.type
    unit = pv.types[spans[-1]].unit if len(spans) and pv.types else None
    ends_in = gaps[-1] if gaps and gaps[-1].end_ns > interval.to_ns else None
    return Answer(
        pv, result.samples, types, _with_units(fields, pv, spans), gaps, ends_in, unit, history.complete, len(history.samples)
    )


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


def _spans(pv: ArchivedPv, samples: Samples) -> NDArray[np.intp]:
    """Which of the PV's type spans each sample came in."""
    if not pv.types:
        return np.zeros(len(samples), np.intp)
    # Receive times out of the lake are cut to milliseconds: those of first values must not fall before their connection.
    received = samples.received_ns + (_LAKE_NS - 1)
    return np.maximum(np.searchsorted([span.since_ns for span in pv.types], received, "right") - 1, 0)


def _with_units(
    fields: Mapping[int, Mapping[str, str]], pv: ArchivedPv, spans: NDArray[np.intp]
) -> Mapping[int, Mapping[str, str]]:
    """Fields with ``EGU`` on the first sample, where its unit is not that of the last, and wherever it changes."""
    units = [pv.types[number].unit if pv.types else "" for number in range(max(len(pv.types), 1))]
    if len(set(units)) == 1 or not len(spans):
        return fields
    changed = np.flatnonzero(np.r_[True, spans[1:] != spans[:-1]])
    found = dict(fields)
    last = units[spans[-1]]
    for index in changed.tolist():
        if units[spans[index]] != last:
            found[index] = {**found.get(index, {}), "EGU": units[spans[index]]}
        last = units[spans[index]]
    return dict(sorted(found.items()))
