"""One reading of an archive's answer: what was known of a PV at each time. Pure; screens, page and API use it.

An archive has a sample when a value changed. In between the value held, as long as changes would have been seen: a sample is
known from its time stamp on until the next one, except in gaps. In a gap nothing is known, whatever the samples say; after
it the newest sample holds again. A sample whose severity is INVALID says that nothing is known from then on.

The archiver lists gaps in the meta part of its answers, under ``gaps``, as JSON text: ``[[lost, known again, reason], …]`` in
Unix nanoseconds, ``null`` for a gap that has no end yet. Answers without that list, as the Archiver Appliance gives them, tell
of a gap in the fields ``cnxlostepsecs`` of the first sample after it, or of the meta part if there is no sample after it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sipmdcs.clock import NS
from sipmdcs.severity import Severity

GAPS = "gaps"
"""Key of the meta part of an answer."""
LOST = "cnxlostepsecs"
"""Field that says when the connection was lost, epoch seconds."""
REGAINED = "cnxregainedepsecs"
"""Field that says when it was regained, epoch seconds."""

_ENDLESS = np.iinfo(np.int64).max


class Reason(StrEnum):
    """Why nothing is known."""

    DISCONNECTED = "disconnected"
    ARCHIVER_DOWN = "archiver down"
    OVERLOAD = "events lost: too many at once"
    DISK = "events lost: disk too slow or full"
    NOT_ARCHIVED = "not archived"
    INVALID = "invalid"
    """The PV itself said so."""


@dataclass(frozen=True, slots=True)
class Gap:
    """A time in which nothing is known of a PV, Unix nanoseconds, half-open."""

    lost_ns: int
    known_ns: int | None
    """When something is known again; ``None``: not yet."""
    reason: str
    """A ``Reason``, or what another archiver says."""

    @property
    def end_ns(self) -> int:
        """``known_ns``, or later than any time."""
        return _ENDLESS if self.known_ns is None else self.known_ns


def merged(gaps: Iterable[Gap]) -> list[Gap]:
    """Gaps in order of time, none of which touch; the reason is that of the earliest part."""
    found: list[Gap] = []
    for gap in sorted(gaps, key=lambda gap: (gap.lost_ns, -gap.end_ns)):
        if gap.end_ns <= gap.lost_ns:
            continue
        if found and gap.lost_ns <= found[-1].end_ns:
            last = found.pop()
            gap = Gap(last.lost_ns, max(last, gap, key=lambda each: each.end_ns).known_ns, last.reason)
        found.append(gap)
    return found


def gaps_text(gaps: Iterable[Gap]) -> str:
    """Gaps as the text of ``GAPS`` in the meta part of an answer."""
    return json.dumps([[gap.lost_ns, gap.known_ns, gap.reason] for gap in gaps])


@dataclass(frozen=True, slots=True)
class Reading:
    """What an answer says of one PV."""

    time_ns: NDArray[np.int64]
    """When its value became another, ascending."""
    value: NDArray[np.float64]
    """From then on; NaN where the sample says that nothing is known."""
    gaps: Sequence[Gap]
    """As ``merged``."""

    def at(self, time_ns: NDArray[np.int64]) -> NDArray[np.float64]:
        """The value known at some times, NaN where none is."""
        place = np.searchsorted(self.time_ns, time_ns, "right") - 1
        held = np.where(place < 0, np.nan, np.append(self.value, np.nan)[place])
        return np.where(in_gap(self.gaps, time_ns), np.nan, held)

    def steps(self, from_ns: int, to_ns: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Times in a half-open interval at which what is known may change, its start included, and the value from then on."""
        edges = [edge for gap in self.gaps for edge in (gap.lost_ns, gap.end_ns)]
        times = np.unique(np.concatenate([[from_ns], self.time_ns, np.array(edges, np.int64)]).astype(np.int64))
        times = times[(times >= from_ns) & (times < to_ns)]
        return times, self.at(times)


def in_gap(gaps: Sequence[Gap], time_ns: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which times lie in one of the gaps, which are as ``merged`` gives them."""
    if not gaps:
        return np.zeros(len(time_ns), np.bool_)
    place = np.searchsorted([gap.lost_ns for gap in gaps], time_ns, "right") - 1
    ends = np.array([gap.end_ns for gap in gaps], np.int64)
    return (place >= 0) & (time_ns < ends[place])


def gap_within(gaps: Sequence[Gap], from_ns: int, to_ns: int) -> Gap | None:
    """The first gap that has a part in a half-open interval."""
    return next((gap for gap in gaps if gap.lost_ns < to_ns and from_ns < gap.end_ns), None)


def covers(gap: Gap, from_ns: int, to_ns: int) -> bool:
    """Whether nothing is known in the whole of a half-open interval."""
    return gap.lost_ns <= from_ns and to_ns <= gap.end_ns


def read_answer(entry: Any) -> Reading:
    """What the entry of one PV in an answer says: numbers, not binned.

    Raises:
        ValueError: it has another shape, or a value is not a number.
    """
    try:
        points = entry["data"]
        times = np.array([sample_ns(point) for point in points], np.int64)
        values = np.array([_number(point) for point in points], np.float64)
        return Reading(times, values, gaps_of(entry))
    except (TypeError, KeyError, ValueError, AttributeError, OverflowError) as err:
        raise ValueError(f"not an answer of the archiver's retrieval interface: {err!r}") from err


def gaps_of(entry: Mapping[str, Any]) -> list[Gap]:
    """Gaps that the entry of one PV in an answer tells of.

    Raises:
        ValueError, TypeError, KeyError: they are not as the archiver writes them.
    """
    meta = entry.get("meta", {})
    if GAPS in meta:
        return merged(
            Gap(int(lost), None if known is None else int(known), str(why)) for lost, known, why in json.loads(meta[GAPS])
        )
    found = [
        Gap(int(float(point["fields"][LOST]) * NS), sample_ns(point), Reason.DISCONNECTED)
        for point in entry["data"]
        if LOST in point.get("fields", {})
    ]
    if LOST in meta:
        found.append(Gap(int(float(meta[LOST]) * NS), None, Reason.DISCONNECTED))
    return merged(found)


def sample_ns(point: Mapping[str, Any]) -> int:
    """Time stamp of a sample of an answer, Unix nanoseconds."""
    return int(point["secs"]) * NS + int(point.get("nanos", 0))


def _number(point: Mapping[str, Any]) -> float:
    """Value of a sample; ``null`` stands for what is not a number."""
    value = point["val"]
    return float("nan") if value is None or point.get("severity", 0) >= Severity.INVALID else float(value)
