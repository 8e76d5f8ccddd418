"""Alarms and their history, from the alarm service."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from datetime import datetime
from http import HTTPStatus
from typing import Any

from sipmdcs.clock import Clock
from web.columns import flag, moment, text, whole
from web.errors import ApiError
from web.query import Operator, Query, Row
from web.resource import Relation, Resource
from web.rowcollection import Rows
from web.upstream import Refused, Upstream
from web.values import iso

_FRESH_S = 1.0
_MOST_EVENTS = 10_000
"""What the alarm service gives at a time."""

ALARMS = Resource(
    "alarms",
    "Every PV of the alarm tree with its alarm, acknowledged or not.",
    ("pv",),
    (
        text("pv", "PV", "Process variable"),
        text("path", "Path", "Place in the alarm tree"),
        text("description", "Description", "What the PV is"),
        text("severity", "Severity", "Alarm severity, latched if so configured; with _ACK once acknowledged"),
        flag("active", "Active", "Whether it is in alarm and nobody has acknowledged"),
        flag("acknowledged", "Acknowledged", "Whether somebody acknowledged the alarm"),
        text("message", "Message", "Why it is in alarm"),
        text("value", "Value", "Value that raised it"),
        moment("time", "Time", "Time stamp of that value"),
        text("current_severity", "Now", "Severity of the present value"),
        text("current_message", "Message now", "Message of the present value"),
        text("current_value", "Value now", "Present value"),
        text("acknowledged_by", "By", "Who acknowledged"),
        moment("acknowledged_at", "At", "When"),
        text("comment", "Comment", "What was said then"),
        text("guidance", "What to do", "What the shifter should do, nearest text first"),
        flag("latch", "Latch", "Whether it stays until somebody acknowledges"),
        flag("enabled", "Enabled", "Whether it can alarm at all"),
        text("channel_prefix", "Channel", "PV prefix of the channel it belongs to, if any"),
    ),
    (
        Relation("channel", "channels", "channel_prefix", "pv_prefix", many=False),
        Relation("events", "alarmevents", "pv", "pv"),
        Relation("archived", "pvs", "pv", "pv", many=False),
    ),
)

ALARM_EVENTS = Resource(
    "alarmevents",
    f"Changes of alarms; of the {_MOST_EVENTS:,} newest that a filter on time and PV leaves.",
    ("event_number",),
    (
        whole("event_number", "Number", "Counts changes"),
        moment("time", "Time", "When"),
        text("pv", "PV", "Process variable"),
        text("path", "Path", "Place in the alarm tree"),
        text("event", "Event", "What happened"),
        text("severity", "Severity", "Alarm severity after it"),
        text("previous", "Before", "Alarm severity before it"),
        text("message", "Message", "Why it is in alarm"),
        text("value", "Value", "Value at that time"),
        moment("pv_time", "PV time", "Time stamp of that value"),
        text("user", "User", "Who acknowledged, if somebody did"),
        text("comment", "Comment", "What was said then"),
    ),
    (Relation("alarm", "alarms", "pv", "pv", many=False),),
)

_SAME = ("pv", "path", "description", "severity", "message", "value", "current_severity", "current_message", "current_value")
_EVENT = ("pv", "path", "event", "severity", "previous", "message", "value", "user", "comment")


class AlarmRows:
    """Makes rows; each method fits ``RowCollection``.

    Args:
        service: the alarm service.
        channel_of: prefix of the channel that a PV belongs to.
        clock: tells how old an answer is.
    """

    def __init__(self, service: Upstream, channel_of: Callable[[str], str | None], clock: Clock) -> None:
        self._service = service
        self._channel_of = channel_of
        self._clock = clock
        self._lock = threading.Lock()
        self._rows: dict[str, Row] = {}
        self._version = ""
        self._asked: float | None = None

    def alarms(self, _query: Query) -> Rows:
        """A row per PV of the tree, at most a second old; only what changed is fetched and made anew."""
        with self._lock:
            if self._asked is None or self._clock.monotonic() - self._asked > _FRESH_S:
                found = self._service.get("/leaves", [("since", self._version)])
                rows = {} if found["whole"] else self._rows.copy()
                rows.update((leaf["pv"], self._alarm(leaf)) for leaf in found["leaves"])
                self._rows, self._version, self._asked = rows, found["version"], self._clock.monotonic()
            return Rows(self._rows.values())

    def events(self, query: Query) -> Rows:
        """A row per change, newest first, no older than the query asks for."""
        parameters = [("limit", str(_MOST_EVENTS))]
        for item in query.filters:
            if item.attribute == "time" and item.operator in (Operator.GE, Operator.GT) and isinstance(item.value, datetime):
                parameters.append(("since", iso(item.value)))
            if item.attribute == "pv" and item.operator is Operator.EQ and isinstance(item.value, str):
                parameters.append(("pv", item.value))
            if item.attribute == "pv" and item.operator is Operator.IN and isinstance(item.value, tuple):
                parameters += [("pv", name) for name in item.value[:1]] if len(item.value) == 1 else []
        try:
            found = self._service.get("/history", parameters)
        except Refused as err:
            if err.status == 404:  # a PV that is not in the tree has no alarms
                return Rows(())
            raise ApiError(HTTPStatus.BAD_REQUEST, str(err)) from err
        warnings = (f"only the newest {_MOST_EVENTS} changes are looked at; filter by time or PV",)
        return Rows([_event(row) for row in found], warnings if len(found) >= _MOST_EVENTS else ())

    def _alarm(self, leaf: Mapping[str, Any]) -> Row:
        by = leaf["acknowledged"] or {}
        values = {name: leaf[name] for name in _SAME}
        acknowledged = leaf["severity"].endswith("_ACK")
        values |= {
            "active": leaf["severity"] != "OK" and not acknowledged,
            "acknowledged": acknowledged,
            "time": _time(leaf["time"]),
            "acknowledged_by": by.get("user"),
            "acknowledged_at": _time(by.get("time")),
            "comment": by.get("comment"),
            "guidance": "\n".join(leaf["guidance"]),
            "latch": leaf["latch"],
            "enabled": leaf["enabled"],
            "channel_prefix": self._channel_of(leaf["pv"]),
        }
        return Row(values)


def _event(found: Mapping[str, Any]) -> Row:
    values = {name: found[name] for name in _EVENT}
    return Row(values | {"event_number": found["id"], "time": _time(found["time"]), "pv_time": _time(found["pv_time"])})


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
