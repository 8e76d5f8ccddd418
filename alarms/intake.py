"""What PVs report, between the thread that reads it and the database that takes it: a few reports of each PV at any time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from alarms.coalesce import few_of
from alarms.monitor import Report
from alarms.state import AlarmState


class Intake:
    """Reports and masks that wait to be taken. Its size is bounded by the number of PVs."""

    def __init__(self, most: int) -> None:
        """Nothing waits yet; of each PV at most ``most`` reports will."""
        self._most = most
        self._reports: dict[str, list[AlarmState]] = {}
        self._masks: dict[str, bool] = {}

    def add(self, reports: Iterable[Report]) -> None:
        """PVs reported something."""
        for pv, state in reports:
            waiting = self._reports.setdefault(pv, [])
            waiting.append(state)
            if len(waiting) > self._most:
                self._reports[pv] = few_of(waiting, self._most, _itself)

    def mask(self, masks: Mapping[str, bool]) -> None:
        """Channels of some PVs were masked or unmasked."""
        self._masks |= masks

    def __bool__(self) -> bool:
        return bool(self._reports or self._masks)

    def take(self, pvs: int) -> tuple[dict[str, bool], list[Report]]:
        """All masks, and all reports of at most ``pvs`` PVs, those that have waited longest; of each PV in order."""
        masks, self._masks = self._masks, {}
        names = [name for name, _ in zip(self._reports, range(pvs), strict=False)]
        return masks, [(name, state) for name in names for state in self._reports.pop(name)]


def _itself(state: AlarmState) -> AlarmState:
    return state
