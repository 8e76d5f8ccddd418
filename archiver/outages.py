"""Times without connection, as the fields that the Archiver Appliance puts on the first sample after them.

==========================  ===================================================
``cnxlostepsecs``           epoch seconds when the connection was lost
``cnxregainedepsecs``       epoch seconds when it came back
``startup``                 ``"true"``: the archiver itself was down
==========================  ===================================================

Source: ``PVMetrics.java`` of epicsarchiverap. Of several outages before one sample the fields span all.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from archiver.reader import History
from sipmdcs.clock import NS


@dataclass(frozen=True, slots=True)
class _Outage:
    lost_ns: int
    regained_ns: int
    startup: bool


def outage_fields(history: History) -> dict[int, Mapping[str, str]]:
    """Fields by index of the sample that carries them.

    A sample carries an outage that was after the sample before it. When the connection came back is told by the links;
    where they do not, by when the sample came in.
    """
    samples = history.samples
    by_sample: dict[int, list[_Outage]] = {}
    for outage in _outages(history):
        index = int(np.searchsorted(samples.time_ns, outage.lost_ns, "right"))
        if 0 < index < len(samples):
            by_sample.setdefault(index, []).append(outage)
    fields: dict[int, Mapping[str, str]] = {}
    for index, outages in by_sample.items():
        regained_ns = max(outage.regained_ns for outage in outages) or int(samples.received_ns[index])
        fields[index] = {
            "cnxlostepsecs": str(min(outage.lost_ns for outage in outages) // NS),
            "cnxregainedepsecs": str(regained_ns // NS),
        } | ({"startup": "true"} if any(outage.startup for outage in outages) else {})
    return fields


def _outages(history: History) -> Iterator[_Outage]:
    links = history.links
    times = links.time_ns[links.connected]

    def regained(after_ns: int) -> int:
        index = int(np.searchsorted(times, after_ns, "right"))
        return int(times[index]) if index < len(times) else 0

    for lost_ns in links.time_ns[~links.connected].tolist():
        yield _Outage(lost_ns, regained(lost_ns), startup=False)
    for before, after in pairwise(history.runs):
        if before.stopped_ns is not None:
            yield _Outage(before.stopped_ns, regained(after.started_ns), startup=True)
