"""What PVs report, between the thread that reads it and the database that takes it: a few reports of each PV at any time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from alarms.coalesce import few_of
from alarms.fairqueue import FairQueue
from alarms.monitor import Report
from alarms.state import AlarmState
from alarms.tree import Tree


@dataclass(frozen=True, slots=True)
class Taken:
    """What is taken in one turn."""

    pvs: list[str]
    """PVs whose turn it is."""
    masks: Mapping[str, bool]
    """Of those whose channels were masked or unmasked."""
    reports: list[Report]
    """What they reported; of each PV in order."""


class Intake:
    """What waits to be taken. Its size is bounded by the number of PVs."""

    def __init__(self, tree: Tree, most: int) -> None:
        """Nothing waits yet; of each PV of ``tree`` at most ``most`` reports will."""
        self._tree = tree
        self._most = most
        self._queue = FairQueue()
        self._reports: dict[str, list[AlarmState]] = {}
        self._masks: dict[str, bool] = {}

    def add(self, reports: Iterable[Report]) -> None:
        """PVs reported something."""
        for pv, state in reports:
            waiting = self._waiting(pv)
            waiting.append(state)
            if len(waiting) > self._most:
                self._reports[pv] = few_of(waiting, self._most, _itself)

    def expire(self, pvs: Iterable[str]) -> None:
        """Delays of PVs passed: these want a turn, whether they reported anything or not."""
        for pv in pvs:
            self._waiting(pv)

    def mask(self, masks: Mapping[str, bool]) -> None:
        """Channels of some PVs were masked or unmasked."""
        for pv in masks:
            self._waiting(pv)
        self._masks |= masks

    def __bool__(self) -> bool:
        return bool(self._queue)

    def take(self, most: int) -> Taken:
        """What waits of at most ``most`` PVs."""
        pvs = [self._queue.next() for _ in range(min(most, len(self._reports)))]
        masks = {pv: self._masks.pop(pv) for pv in pvs if pv in self._masks}
        return Taken(pvs, masks, [(pv, state) for pv in pvs for state in self._reports.pop(pv)])

    def look(self) -> Taken:
        """Whatever waits, which goes on waiting."""
        reports = [(pv, state) for pv, states in self._reports.items() for state in states]
        return Taken([*self._reports], {**self._masks}, reports)

    def _waiting(self, pv: str) -> list[AlarmState]:
        waiting = self._reports.get(pv)
        if waiting is None:
            waiting = self._reports[pv] = []
            self._queue.add(self._tree.leaves[pv].path, pv)
        return waiting


def _itself(state: AlarmState) -> AlarmState:
    return state
