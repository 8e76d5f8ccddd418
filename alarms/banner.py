"""Which alarms the banner shows: the newest, without letting a flood of lost PVs push out alarms of values."""

from __future__ import annotations

import heapq
from collections.abc import Iterable

from alarms.level import Level
from alarms.state import AlarmState

Active = tuple[str, AlarmState]
"""A PV and its alarm."""


def banner_choice(active: Iterable[Active], rows: int) -> list[Active]:
    """At most ``rows`` alarms, newest first.

    A dead IOC takes hundreds of PVs with it at one instant (INVALID or UNDEFINED). They get at most the half of the rows that
    is not needed for alarms of PVs that do have a value.
    """
    lost: list[Active] = []
    valued: list[Active] = []
    for item in active:
        (lost if item[1].level >= Level.INVALID else valued).append(item)
    shown = heapq.nlargest(rows - min(len(lost), rows // 2), valued, key=_age)
    shown += heapq.nlargest(rows - len(shown), lost, key=_age)
    return sorted(shown, key=_age, reverse=True)


def _age(item: Active) -> tuple[int, str]:
    return item[1].time_ns, item[0]
