"""Of many events of one PV the few that an alarm handler needs: pure functions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from alarms.state import AlarmState
from sipmdcs.channels import Kind
from sipmdcs.severity import Status

T = TypeVar("T")


def worth_reading(events: NDArray[np.void], most: int) -> NDArray[np.intp]:
    """Places of the events to read, in order: of equal reports in a row the last, and of each PV at most ``most``.

    Where a PV has more than that, its worst and its newest are kept: a latched alarm is not missed, and the end is right.
    Metadata come besides.

    Args:
        events: of ``channels.EVENT``.
        most: at least 2.
    """
    if len(events) < 2:
        return np.arange(len(events))
    order = np.argsort(events["pv"], kind="stable")
    sorted_ = events[order]
    differs = np.zeros(len(events) - 1, np.bool_)
    for column in ("pv", "kind", "severity", "status"):
        differs |= sorted_[column][1:] != sorted_[column][:-1]
    differs |= (sorted_["status"][1:] == Status.STATE) & (sorted_["value"][1:] != sorted_["value"][:-1])
    kept = order[np.append(differs, True)]
    _, starts, counts = np.unique(events["pv"][kept], return_index=True, return_counts=True)
    if counts.size and counts.max() > most:
        dropped = np.zeros(len(kept), np.bool_)
        for start, count in zip(starts[counts > most].tolist(), counts[counts > most].tolist(), strict=True):
            severities = events["severity"][kept[start : start + count]]
            worst = count - 1 - int(np.argmax(severities[::-1]))
            newest = count - most + (worst < count - most + 1)
            dropped[start : start + newest] = True
            dropped[start + worst] = False
        kept = kept[~dropped | (events["kind"][kept] == Kind.METADATA)]
    return np.sort(kept)


def beginnings(events: NDArray[np.void]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which events are connections that come first of their PV, and which are metadata right after such a connection.

    Args:
        events: of ``channels.EVENT``; metadata without payload do not count.
    """
    order = np.argsort(events["pv"], kind="stable")
    sorted_ = events[order]
    first = np.diff(sorted_["pv"], prepend=-1) != 0
    connected = first & (sorted_["kind"] == Kind.CONNECTED)
    second = np.append(False, connected[:-1]) & ~first
    told = second & (sorted_["kind"] == Kind.METADATA) & (sorted_["payload"] > 0)
    back = np.argsort(order)
    return connected[back], told[back]


def few_of(reports: Sequence[T], most: int, state: Callable[[T], AlarmState]) -> list[T]:
    """The same for what one PV reported and nobody took yet; ``state`` gives the alarm state of a report."""
    if len(reports) == 1:
        return list(reports)
    last = len(reports) - 1
    few = [one for index, one in enumerate(reports) if index == last or not _same(state(one), state(reports[index + 1]))]
    if len(few) <= most:
        return few
    worst = max(range(len(few)), key=lambda index: (state(few[index]).level.rank, index))
    return few[-most:] if worst > len(few) - most else [few[worst], *few[len(few) - most + 1 :]]


def _same(one: AlarmState, other: AlarmState) -> bool:
    return one.level is other.level and one.has_reason_of(other)
