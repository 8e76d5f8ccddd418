"""When somebody is paged about one PV, and when no longer: pure logic.

An incident is the time during which one receiver is concerned with the alarm of one PV because of one route. It opens when the
alarm becomes active at the route's minimum, and ends when the alarm is acknowledged, gone or disabled. In it a page goes out
once for each new highest level, never for a fall.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from alarms.level import Level
from sipmdcs.clock import NS


class Kind(StrEnum):
    """What a notice tells."""

    ALARM = "alarm"
    WORSE = "worse"
    """It rose above what was paged."""
    REMINDER = "reminder"
    ACKNOWLEDGED = "acknowledged"
    CLEARED = "cleared"
    DISABLED = "disabled"
    TEST = "test"

    @property
    def calls(self) -> bool:
        """Whether somebody should do something about it."""
        return self in (Kind.ALARM, Kind.WORSE, Kind.REMINDER, Kind.TEST)


@dataclass(frozen=True, slots=True)
class Rule:
    """What one route says about one receiver."""

    route: str
    receiver: str
    minimum: Level
    delay_s: float = 0
    repeat_s: float = 0
    follow_up: bool = True


@dataclass(frozen=True, slots=True)
class Incident:
    """One receiver concerned with one PV."""

    id: int
    highest: Level
    due_ns: int
    """When the first page is due; from then on it counts as paged."""
    remind_ns: int | None = None
    """When the next reminder is due."""


@dataclass(frozen=True, slots=True)
class Told:
    """What follows for an incident."""

    incident: Incident | None
    notice: Kind | None = None
    due_ns: int = 0
    """When the notice is due."""


def follow(incident: Incident | None, rule: Rule, level: Level, calm: Kind, now_ns: int, new_id: int) -> Told:
    """The alarm changed.

    Args:
        incident: the open one, if any.
        rule: of route and receiver.
        level: of the alarm now.
        calm: why it is not active, if it is not: ACKNOWLEDGED, CLEARED or DISABLED.
        now_ns: Unix time.
        new_id: number for an incident that is opened.
    """
    if incident is None:
        return Told(None) if not level.active or level < rule.minimum else _open(rule, level, now_ns, new_id)
    waiting = now_ns < incident.due_ns
    if not level.active:
        return Told(None, calm if rule.follow_up and not waiting else None, now_ns)
    if level.rank > incident.highest.rank:
        risen = replace(incident, highest=level)
        return Told(risen, Kind.ALARM, incident.due_ns) if waiting else Told(risen, Kind.WORSE, now_ns)
    if waiting and level < rule.minimum:
        return Told(None)
    return Told(incident)


def remind(incident: Incident, rule: Rule, now_ns: int) -> Told:
    """Time passed and nobody acknowledged."""
    if incident.remind_ns is None or now_ns < incident.remind_ns:
        return Told(incident)
    return Told(replace(incident, remind_ns=now_ns + round(rule.repeat_s * NS)), Kind.REMINDER, now_ns)


def _open(rule: Rule, level: Level, now_ns: int, new_id: int) -> Told:
    due = now_ns + round(rule.delay_s * NS)
    reminder = due + round(rule.repeat_s * NS) if rule.repeat_s else None
    return Told(Incident(new_id, level, due, reminder), Kind.ALARM, due)
