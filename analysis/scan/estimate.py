"""How long a scan will take. Pure."""

from __future__ import annotations

from analysis.scan.preflight import Course, ScanPlan

_ARRIVE_POLLS = 2.0
"""From a put to the poll that shows the new setpoint: one gives it to the device, the next reads it back."""

_RETURN_POLLS = 4.0


def point_s(plan: ScanPlan, controller: str) -> float:
    """Seconds for one point."""
    poll_s = plan.poll_s(controller)
    return (_ARRIVE_POLLS + plan.request.samples) * poll_s + plan.request.settle_s


def duration_s(plan: ScanPlan) -> float:
    """Seconds for all of it, from the first put to the last readback."""
    return max(_course_s(plan, course) for course in plan.courses)


def _course_s(plan: ScanPlan, course: Course) -> float:
    held, poll_s = course.held, plan.poll_s(course.place.controller)
    before_V = held.bias_V if held.on else 0.0
    there_s = abs(course.grid[0] - before_V) / held.ramp_up
    back_s = abs(course.grid[-1] - before_V) / held.ramp_down + _RETURN_POLLS * poll_s
    return there_s + len(course.grid) * point_s(plan, course.place.controller) + back_s
