"""Rows of channels, controllers and services from live values, only as much of them as is asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from web.live import Live
from web.live_resources import (
    CHANNEL_MEASURED,
    CHANNEL_VALUES,
    CHANNELS,
    CONTROLLER_VALUES,
    CONTROLLERS,
    HEARTBEAT,
    SERVICE_VALUES,
    SERVICES,
)
from web.live_table import LiveTable
from web.plant import Plant
from web.query import Query, Row
from web.resource import Resource
from web.rowcollection import Rows
from web.sensors import Sensors

HEARTBEAT_PATIENCE_S = 5.0
"""A service beats once a second; silent for so long it counts as lost."""

_DISCONNECTED = "DISCONNECTED"
_BEAT = "heartbeat"
_CONTROLLER_MEASURED = ("state", "answers", "latency")

Columns = Mapping[str, Callable[[], Sequence[Any]]]
"""Makes a column when it is asked for."""


def live_names(plant: Plant) -> list[str]:
    """Every PV that these rows show."""
    names = [f"{service.prefix}:{suffix}" for service in plant.services for suffix in (*SERVICE_VALUES.values(), HEARTBEAT)]
    for controller in plant.controllers:
        names += [f"{controller.prefix}:{suffix}" for suffix in CONTROLLER_VALUES.values()]
        names += [f"{channel.prefix}:{suffix}" for channel in controller.channels for suffix in CHANNEL_VALUES.values()]
    return names


class LiveRows:
    """Makes rows; each method fits ``RowCollection``."""

    def __init__(self, plant: Plant, live: Live, sensors: Sensors) -> None:
        self._plant = plant
        self._live = live
        self._sensors = sensors
        self._places = [(controller, channel) for controller in plant.controllers for channel in controller.channels]
        self._of_controller = [place for place, row in enumerate(plant.controllers) for _ in row.channels]

        def table(resource: Resource, prefixes: Sequence[str], suffixes: Mapping[str, str]) -> LiveTable:
            return LiveTable(resource, prefixes, suffixes, live.index, plant)

        self._channels = table(CHANNELS, [channel.prefix for _, channel in self._places], CHANNEL_VALUES)
        self._controllers = table(CONTROLLERS, [row.prefix for row in plant.controllers], CONTROLLER_VALUES)
        services = {**SERVICE_VALUES, _BEAT: HEARTBEAT}
        self._services = table(SERVICES, [row.prefix for row in plant.services], services)

    def channels(self, query: Query) -> Rows:
        """A row per bias output."""
        table, snapshot, places = self._channels, self._live.snapshot(), self._places
        sensors, warnings = self._sensors.now()

        def ages() -> list[float | None]:
            polled = self._controllers.ages("polls", snapshot)
            return [polled[place] for place in self._of_controller]

        columns: Columns = {name: lambda name=name: table.values(name, snapshot) for name in CHANNEL_VALUES} | {
            "name": lambda: [channel.prefix.split(":", 2)[2] for _, channel in places],
            "position": lambda: range(len(places)),
            "subsystem": lambda: [controller.subsystem for controller, _ in places],
            "controller_name": lambda: [controller.name for controller, _ in places],
            "number": lambda: [channel.number for _, channel in places],
            "label": lambda: [channel.label for _, channel in places],
            "pv_prefix": lambda: [channel.prefix for _, channel in places],
            "sensor": lambda: [sensors.get(channel.label) for _, channel in places],
            "state": lambda: [state or _DISCONNECTED for state in table.values("state", snapshot)],
            "measured_at": lambda: table.newest(CHANNEL_MEASURED, snapshot),
            "severity": lambda: table.severities(CHANNEL_MEASURED, snapshot),
            "connected": lambda: table.connected(CHANNEL_MEASURED, snapshot),
            "age": ages,
        }
        return Rows(_rows(query, CHANNELS, columns, lambda names: table.notes(names, snapshot), CHANNEL_VALUES), warnings)

    def controllers(self, query: Query) -> Rows:
        """A row per controller."""
        table, snapshot, found = self._controllers, self._live.snapshot(), self._plant.controllers
        columns: Columns = {name: lambda name=name: table.values(name, snapshot) for name in CONTROLLER_VALUES} | {
            "name": lambda: [row.name for row in found],
            "position": lambda: range(len(found)),
            "subsystem": lambda: [row.subsystem for row in found],
            "driver": lambda: [row.driver for row in found],
            "service_name": lambda: [row.ioc for row in found],
            "pv_prefix": lambda: [row.prefix for row in found],
            "channel_count": lambda: [len(row.channels) for row in found],
            "state": lambda: [state or _DISCONNECTED for state in table.values("state", snapshot)],
            "severity": lambda: table.severities(_CONTROLLER_MEASURED, snapshot),
            "connected": lambda: table.connected(_CONTROLLER_MEASURED, snapshot),
            "age": lambda: table.ages("polls", snapshot),
        }
        return Rows(_rows(query, CONTROLLERS, columns, lambda names: table.notes(names, snapshot), CONTROLLER_VALUES))

    def services(self, query: Query) -> Rows:
        """A row per process."""
        table, snapshot, found = self._services, self._live.snapshot(), self._plant.services
        every = (*SERVICE_VALUES, _BEAT)

        def states() -> list[str]:
            beats = zip(table.connected((_BEAT,), snapshot), table.ages(_BEAT, snapshot), strict=True)
            lively = (there and age is not None and age < HEARTBEAT_PATIENCE_S for there, age in beats)
            return ["RUNNING" if runs else "LOST" for runs in lively]

        columns: Columns = {name: lambda name=name: table.values(name, snapshot) for name in SERVICE_VALUES} | {
            "name": lambda: [row.name for row in found],
            "kind": lambda: [row.kind for row in found],
            "pv_prefix": lambda: [row.prefix for row in found],
            "state": states,
            "severity": lambda: table.severities(every, snapshot),
            "connected": lambda: table.connected(every, snapshot),
            "age": lambda: table.ages(_BEAT, snapshot),
        }
        return Rows(_rows(query, SERVICES, columns, lambda names: table.notes(names, snapshot), SERVICE_VALUES))


def _rows(
    query: Query,
    resource: Resource,
    columns: Columns,
    notes: Callable[[Sequence[str]], Sequence[Mapping[str, Mapping[str, Any]]]],
    noted: Mapping[str, str],
) -> list[Row]:
    """Rows with the attributes that a query looks at, and notes of those it shows."""
    wanted = [name for name in columns if name in query.attributes or name in resource.key]
    made = zip(*(columns[name]() for name in wanted), strict=True)
    values = [dict(zip(wanted, row, strict=True)) for row in made]
    shown = [name for name in noted if name in query.columns]
    if not query.notes or not shown or not values:
        return [Row(row) for row in values]
    return [Row(row, about) for row, about in zip(values, notes(shown), strict=True)]
