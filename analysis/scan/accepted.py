"""A request that the scanner has accepted."""

from __future__ import annotations

from dataclasses import dataclass

from analysis.scan.operating_point import OperatingPoint
from analysis.scan.preflight import ScanPlan


@dataclass(frozen=True, slots=True)
class Accepted:
    """What is to be done, under which name."""

    uid: str
    plan: ScanPlan
    started: str
    """ISO time."""

    def operating_point(self, run: int | None) -> OperatingPoint:
        """Everything that the scan will change, as it is before.

        Args:
            run: number of the scan in the logbook, if it has one.
        """
        plan = self.plan
        polls = {name: period for name, period in plan.polls.items() if plan.request.poll_s not in (None, period)}
        held = {course.place.channel: course.held for course in plan.courses}
        return OperatingPoint(self.uid, plan.request.who, self.started, run, held, polls)
