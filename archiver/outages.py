"""Times in which nothing is known of a PV, from what the archive holds of connections, runs and losses.

A gap begins where the PV was lost, the archiver stopped, or events were lost. An event needs a while from its time stamp to the
archiver, so of a stop or a loss the second before belongs to the gap as well, as far as no later sample of the PV came in time:
events of one PV come in their order. It ends with the first connection after that,
which always brings the value with it, or with the first sample that was received after that, whichever is earlier.

Answers list them in their meta part (``sipmdcs.history``). For other clients the first sample after a gap has the fields of
the Archiver Appliance:

==========================  ============================================================
``cnxlostepsecs``           epoch seconds when the connection was lost
``cnxregainedepsecs``       epoch seconds when it came back
``startup``                 ``"true"``: the archiver itself was down
``lost``                    our own: why events were lost
==========================  ============================================================

The meta part has ``cnxlostepsecs`` while nothing is known at the end of the answer.
Source: ``PVMetrics.java`` of epicsarchiverap.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from archiver.links import Links
from archiver.manifest import Run
from archiver.rows import Cause, Loss
from archiver.samples import Samples
from sipmdcs.clock import NS
from sipmdcs.history import LOST, REGAINED, Gap, Reason, merged

UNDER_WAY_NS = 1_000_000_000
"""Longest way from its time stamp to the archiver that is allowed an event: an IOC polls, posts, and the network delivers."""
_REASONS = {Cause.OVERLOAD: Reason.OVERLOAD, Cause.DISK: Reason.DISK}


@dataclass(frozen=True, slots=True)
class Outage:
    """A time without news of a PV."""

    lost_ns: int
    """From this time stamp on events may be missing."""
    heard_ns: int
    """What came in up to then is there."""
    after_ns: int
    """What connected or was received after this ends it."""
    reason: Reason


def outages(
    near: Samples, links: Links, runs: Sequence[Run], losses: Iterable[Loss], from_ns: int, to_ns: int
) -> tuple[Outage, ...]:
    """Outages that began up to ``to_ns`` and were not over before ``from_ns``.

    Args:
        near: samples from the last one up to ``from_ns`` to ``UNDER_WAY_NS`` after ``to_ns``.
        links: connections and disconnections.
        runs: times in which the archiver ran, in order.
        losses: of all PVs.
        from_ns: Unix nanoseconds.
        to_ns: Unix nanoseconds.
    """
    found = [Outage(lost_ns, lost_ns, lost_ns, Reason.DISCONNECTED) for lost_ns in links.time_ns[~links.connected].tolist()]
    found += [
        Outage(_unheard_ns(near, before.stopped_ns), before.stopped_ns, after.started_ns, Reason.ARCHIVER_DOWN)
        for before, after in pairwise(runs)
        if before.stopped_ns is not None and after.started_ns >= from_ns
    ]
    found += [
        Outage(_unheard_ns(near, loss.start_ns), loss.start_ns, loss.end_ns, _REASONS[loss.cause])
        for loss in losses
        if loss.end_ns >= from_ns
    ]
    return tuple(outage for outage in found if outage.lost_ns <= to_ns and outage.after_ns >= from_ns)


def _unheard_ns(samples: Samples, heard_ns: int) -> int:
    """Earliest time stamp of an event that had not come in by ``heard_ns``."""
    earliest_ns = heard_ns - UNDER_WAY_NS
    first, end = np.searchsorted(samples.time_ns, [earliest_ns, heard_ns], "right").tolist()
    in_time = np.flatnonzero(samples.received_ns[first:end] <= heard_ns)
    return int(samples.time_ns[first + in_time[-1]]) + 1 if len(in_time) else earliest_ns


def gaps_of(samples: Samples, links: Links, found: Iterable[Outage]) -> list[Gap]:
    """Gaps from the first sample on."""
    if not len(samples):
        return []
    gaps = (Gap(outage.lost_ns, _known_ns(samples, links, outage), outage.reason) for outage in found)
    return merged(gap for gap in gaps if gap.end_ns > samples.time_ns[0])


def _known_ns(samples: Samples, links: Links, outage: Outage) -> int | None:
    regained_ns = regained(links, outage.after_ns)
    times, received = samples.time_ns, samples.received_ns
    for index in range(int(np.searchsorted(times, outage.heard_ns, "right")), len(times)):  # nearly always the first one
        if regained_ns is not None and times[index] >= regained_ns:
            break
        if received[index] > outage.after_ns:
            return int(times[index])
    return regained_ns


def regained(links: Links, after_ns: int) -> int | None:
    """The first connection at or after a time."""
    times = links.time_ns[links.connected]
    index = int(np.searchsorted(times, after_ns, "left"))
    return int(times[index]) if index < len(times) else None


def gap_fields(samples: Samples, links: Links, gaps: Iterable[Gap]) -> dict[int, Mapping[str, str]]:
    """Fields by index of the sample that is the first one after a gap, or several."""
    fields: dict[int, Mapping[str, str]] = {}
    for gap in gaps:
        index = int(np.searchsorted(samples.time_ns, gap.lost_ns, "right"))
        if not 0 < index < len(samples):
            continue
        earlier = fields.get(index, {})
        regained_ns = regained(links, gap.lost_ns) or int(samples.received_ns[index])
        fields[index] = {
            LOST: earlier.get(LOST, str(gap.lost_ns // NS)),
            REGAINED: str(regained_ns // NS),
            **({"startup": "true"} if gap.reason == Reason.ARCHIVER_DOWN or "startup" in earlier else {}),
            **({"lost": gap.reason} if gap.reason in _REASONS.values() else {}),
        }
    return fields
