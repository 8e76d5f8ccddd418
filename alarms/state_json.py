"""The state of a PV as JSON, for the database."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from alarms.level import Level
from alarms.state import Acknowledgement, AlarmState, Held, Pending, PvState
from sipmdcs.clock import NS, Clock

Json = dict[str, Any]


def to_json(state: PvState, clock: Clock) -> Json:
    """All of ``state``; when a delay ends is told as wall-clock time, because the monotonic clock starts anew."""
    out = {
        "current": _alarm_json(state.current),
        "alarm": _alarm_json(state.alarm),
        "acknowledgement": None if state.acknowledgement is None else asdict(state.acknowledgement),
        "pending": None,
        "recent_ns": list(state.recent_ns),
        "enabled": state.enabled,
        "masked": state.masked,
        "held": _held_json(state.held),
        "before": _held_json(state.before),
    }
    if state.pending is not None:
        left_ns = round((state.pending.due - clock.monotonic()) * NS)
        out["pending"] = {"state": _alarm_json(state.pending.state), "due_ns": clock.time_ns() + left_ns}
    return out


def from_json(data: Json, clock: Clock, delay_s: float) -> PvState:
    """The state that ``to_json`` wrote; a delay that runs ends at the same moment, but no later than ``delay_s`` from now."""
    pending = None
    if data["pending"] is not None:
        left_s = (data["pending"]["due_ns"] - clock.time_ns()) / NS
        due = clock.monotonic() + min(max(left_s, 0), delay_s)
        pending = Pending(_alarm(data["pending"]["state"]), due)
    return PvState(
        current=_alarm(data["current"]),
        alarm=_alarm(data["alarm"]),
        acknowledgement=_acknowledgement(data["acknowledgement"]),
        pending=pending,
        recent_ns=tuple(data["recent_ns"]),
        enabled=data["enabled"],
        masked=data.get("masked", False),
        held=_held(data["held"]),
        before=_held(data["before"]),
    )


def _alarm_json(state: AlarmState) -> Json:
    return state._asdict() | {"level": state.level.name}


def _alarm(data: Json) -> AlarmState:
    values: Json = data | {"level": Level[data["level"]]}
    return AlarmState(**values)


def _acknowledgement(data: Json | None) -> Acknowledgement | None:
    return None if data is None else Acknowledgement(**data)


def _held_json(held: Held | None) -> Json | None:
    if held is None:
        return None
    by = held.acknowledgement
    return {"alarm": _alarm_json(held.alarm), "acknowledgement": None if by is None else asdict(by)}


def _held(data: Json | None) -> Held | None:
    return None if data is None else Held(_alarm(data["alarm"]), _acknowledgement(data["acknowledgement"]))
