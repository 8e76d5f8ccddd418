"""Which alarms the banner shows: the newest, without letting a flood of lost PVs push out alarms of values."""

from __future__ import annotations

import heapq

from alarms.level import Level
from alarms.state import AlarmState

Active = tuple[str, AlarmState]
"""A PV and its alarm."""

_Item = tuple[int, str, AlarmState]
"""An alarm as it is sorted, the newest first; of equal age those whose names come first."""

_STALE = 64
"""Alarms that are over and still sorted in, besides as many as there are active ones."""


class Banner:
    """The active alarms. A change, or a look at the newest, costs next to nothing however many there are."""

    def __init__(self) -> None:
        """No alarm is active."""
        self._active: dict[str, AlarmState] = {}
        self._valued: list[_Item] = []
        """Heaps; alarms that are over are thrown out when they are met."""
        self._lost: list[_Item] = []

    def note(self, pv: str, alarm: AlarmState) -> None:
        """The alarm of a PV is this now."""
        if self._active.get(pv) is alarm:
            return
        if not alarm.level.active:
            self._active.pop(pv, None)
            return
        self._active[pv] = alarm
        heapq.heappush(self._heap(alarm), (-alarm.time_ns, pv, alarm))
        if self.held > 2 * len(self._active) + _STALE:
            self._sort_anew()

    @property
    def held(self) -> int:
        """Alarms that are sorted in, some of them over."""
        return len(self._valued) + len(self._lost)

    def choice(self, rows: int) -> list[Active]:
        """At most ``rows`` alarms, newest first.

        A dead IOC takes hundreds of PVs with it at one instant (INVALID or UNDEFINED). They get at most the half of the rows
        that is not needed for alarms of PVs that do have a value.
        """
        valued, lost = self._newest(self._valued, rows), self._newest(self._lost, rows)
        valued = valued[: rows - min(len(lost), rows // 2)]
        return [(pv, alarm) for _, pv, alarm in sorted(valued + lost[: rows - len(valued)])]

    def _heap(self, alarm: AlarmState) -> list[_Item]:
        return self._lost if alarm.level >= Level.INVALID else self._valued

    def _newest(self, heap: list[_Item], rows: int) -> list[_Item]:
        found: list[_Item] = []
        while heap and len(found) < rows:
            item = heapq.heappop(heap)
            # The same alarm stands here twice if it was put aside meanwhile, as that of a disabled PV.
            if self._active.get(item[1]) is item[2] and item not in found[-1:]:
                found.append(item)
        for item in found:
            heapq.heappush(heap, item)
        return found

    def _sort_anew(self) -> None:
        self._valued, self._lost = [], []
        for pv, alarm in self._active.items():
            self._heap(alarm).append((-alarm.time_ns, pv, alarm))
        heapq.heapify(self._valued)
        heapq.heapify(self._lost)
