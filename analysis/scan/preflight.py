"""May this scan be done? Read everything, write nothing."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from analysis.scan.grid import voltages
from analysis.scan.operating_point import Held
from analysis.scan.places import Place
from analysis.scan.request import ScanRequest
from sipmdcs.channels import Channels, PvMetadata, PvValue
from sipmdcs.channelstate import ChannelState, TripCause
from sipmdcs.errors import BadInput, ChannelError
from sipmdcs.severity import Severity

CEILING = 0.8
"""Of ``CURRENT_LIMIT``: where a curve ends if nothing else is asked, well before the channel trips."""

_HELD_V = 0.11
"""Setpoint and readback of a channel that is on differ by less, on a page with one decimal too."""

_READ = (
    "BIAS", "BIAS_RBV", "VMON_RBV", "CURRENT_RBV", "TEMP_RBV", "ENABLE", "STATE", "TRIP_CAUSE", "MASK",
    "CURRENT_LIMIT", "RAMP_UP", "RAMP_DOWN", "VBR", "VBR_TREF", "VBR_TCOEF",
)  # fmt: skip

Answers = Mapping[str, PvValue | ChannelError]


class Unfit(BadInput):
    """A channel cannot be scanned as it is now, whatever the range; ``skip_bad`` leaves it out."""


@dataclass(frozen=True, slots=True)
class Course:
    """What one channel is to do."""

    place: Place
    grid: tuple[float, ...]
    """Setpoints, ascending, V."""
    ceiling_uA: float
    held: Held


@dataclass(frozen=True, slots=True)
class ScanPlan:
    """A scan that may be done."""

    request: ScanRequest
    courses: tuple[Course, ...]
    skipped: Mapping[str, str] = field(default_factory=dict)
    """Channels left out, and why."""
    polls: Mapping[str, float] = field(default_factory=dict)
    """Poll period of each controller now, s."""

    @property
    def points(self) -> int:
        """Points of the longest curve."""
        return max(len(course.grid) for course in self.courses)

    def poll_s(self, controller: str) -> float:
        """Poll period during the scan."""
        return self.request.poll_s or self.polls[controller]


def plan_scan(channels: Channels, chosen: Sequence[Place], request: ScanRequest, timeout: float = 5.0) -> ScanPlan:
    """Check every channel and lay out its course.

    Raises:
        BadInput: a channel cannot be scanned; all of them are named, as far as they fit into a line.
    """
    controllers = list(dict.fromkeys(place.controller for place in chosen))
    periods = [f"{controller}:POLL_PERIOD" for controller in controllers]
    answers = channels.get([*(place.pv(name) for place in chosen for name in _READ), *periods], timeout=timeout)
    limits = channels.metadata([place.pv("BIAS") for place in chosen], timeout=timeout)
    courses: list[Course] = []
    unfit: dict[str, str] = {}
    wrong: dict[str, str] = {}
    for place in chosen:
        try:
            courses.append(_course(place, request, answers, limits[place.pv("BIAS")]))
        except Unfit as err:
            unfit[place.channel] = str(err)
        except BadInput as err:
            wrong[place.channel] = str(err)
    if wrong or (unfit and not request.skip_bad):
        hint = "" if wrong else "; --skip-bad leaves them out"
        raise BadInput(f"{_listing(wrong | unfit)}{hint}")
    if not courses:
        raise BadInput(f"nothing is left to scan: {_listing(unfit)}")
    used = {course.place.controller for course in courses}
    polls = {controller: _number(answers[f"{controller}:POLL_PERIOD"]) for controller in controllers if controller in used}
    return ScanPlan(request, tuple(courses), unfit, polls)


def _course(place: Place, request: ScanRequest, answers: Answers, limits: PvMetadata | ChannelError) -> Course:
    value = {name: _number(answers[place.pv(name)]) for name in _READ}
    state = ChannelState(int(value["STATE"]))
    on = bool(value["ENABLE"])
    _check_fit(place, value, state, answers, on=on)
    if isinstance(limits, ChannelError):
        raise Unfit("does not answer")
    if not limits.writable:
        raise Unfit("its BIAS may not be written from here")
    grid = voltages(request, _breakdown(place, value, answers))
    low, high = limits.control
    if grid[0] < low or grid[-1] > high:
        raise BadInput(f"{grid[0]:.3f} to {grid[-1]:.3f} V is outside its limits, {low:g} to {high:g} V")
    limit = value["CURRENT_LIMIT"]
    ceiling = request.max_current_uA if request.max_current_uA is not None else CEILING * limit
    if ceiling > limit:
        raise BadInput(f"a ceiling of {ceiling:g} uA is above its CURRENT_LIMIT of {limit:g} uA, it would trip")
    held = Held(value["BIAS"], on, limit, value["RAMP_UP"], value["RAMP_DOWN"], grid, value["BIAS_RBV"])
    return Course(place, grid, ceiling, held)


def _check_fit(place: Place, value: Mapping[str, float], state: ChannelState, answers: Answers, *, on: bool) -> None:
    if value["MASK"]:
        raise Unfit("is masked")
    if state is ChannelState.TRIPPED:
        raise Unfit(f"is tripped ({TripCause(int(value['TRIP_CAUSE'])).text})")
    if state not in (ChannelState.ON, ChannelState.STANDBY, ChannelState.OFF):
        raise Unfit(f"is {state.text}")
    for name in ("BIAS_RBV", "VMON_RBV", "CURRENT_RBV"):
        reading = answers[place.pv(name)]
        if isinstance(reading, PvValue) and reading.severity is Severity.INVALID:
            raise Unfit(f"{name} is INVALID")
    if on is not state.at_rest:
        raise Unfit(f"ENABLE is {'On' if on else 'Off'} and it is {state.text}")
    if on and abs(value["BIAS"] - value["BIAS_RBV"]) > _HELD_V:
        raise Unfit(f"holds {value['BIAS_RBV']:.3f} V and not its BIAS of {value['BIAS']:.3f} V")


def _breakdown(place: Place, value: Mapping[str, float], answers: Answers) -> float:
    """Breakdown voltage at the present temperature, NaN without one."""
    temperature = answers[place.pv("TEMP_RBV")]
    if not isinstance(temperature, PvValue) or temperature.severity is Severity.INVALID or value["VBR"] <= 0:
        return math.nan
    return value["VBR"] + value["VBR_TCOEF"] * (value["TEMP_RBV"] - value["VBR_TREF"]) / 1000


def _number(answer: PvValue | ChannelError) -> float:
    if isinstance(answer, ChannelError):
        raise Unfit("does not answer")
    if not isinstance(answer.value, int | float):
        raise Unfit(f"says {answer.value!r} where a number was expected")
    return float(answer.value)


def _listing(reasons: Mapping[str, str]) -> str:
    """Names and reasons in one line, the first few."""
    shown = [f"{name}: {reason}" for name, reason in list(reasons.items())[:3]]
    more = f" and {len(reasons) - len(shown)} more" if len(reasons) > len(shown) else ""
    return "; ".join(shown) + more
