"""Rows of channels, controllers and services from live readings."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from math import isfinite
from typing import Any

from sipmdcs.severity import Severity, Status
from web.attribute import Type
from web.live import NOTHING, Live, Reading
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
from web.plant import Channel, Controller, Plant, ServiceEntry
from web.query import Query, Row
from web.resource import Resource
from web.rowcollection import Rows
from web.sensors import Sensors
from web.values import iso

HEARTBEAT_PATIENCE_S = 5.0
"""A service beats once a second; silent for so long it counts as lost."""

_DISCONNECTED = "DISCONNECTED"


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

    def channels(self, _query: Query) -> Rows:
        """A row per bias output."""
        sensors, warnings = self._sensors.now()
        rows: list[Row] = []
        for controller in self._plant.controllers:
            beat = self._live.readings([f"{controller.prefix}:{HEARTBEAT}"]).popitem()[1]
            for channel in controller.channels:
                rows.append(self._channel(controller, channel, beat, sensors.get(channel.label), len(rows)))
        return Rows(rows, warnings)

    def controllers(self, _query: Query) -> Rows:
        """A row per controller."""
        return Rows([self._controller(controller, place) for place, controller in enumerate(self._plant.controllers)])

    def services(self, _query: Query) -> Rows:
        """A row per process."""
        return Rows([self._service(service) for service in self._plant.services])

    def _channel(self, controller: Controller, channel: Channel, beat: Reading, sensor: str | None, place: int) -> Row:
        found = self._readings(channel.prefix, CHANNEL_VALUES)
        measured = [found[name] for name in CHANNEL_MEASURED]
        values, notes = self._shown(CHANNELS, channel.prefix, CHANNEL_VALUES, found)
        times = [reading.taken_at for reading in measured if reading.taken_at is not None]
        values |= {
            "name": channel.prefix.split(":", 2)[2],
            "position": place,
            "subsystem": controller.subsystem,
            "controller_name": controller.name,
            "number": channel.number,
            "label": channel.label,
            "pv_prefix": channel.prefix,
            "sensor": sensor,
            "state": values["state"] or _DISCONNECTED,
            "measured_at": max(times, default=None),
        }
        return Row(values | _health(measured, beat), notes)

    def _controller(self, controller: Controller, place: int) -> Row:
        found = self._readings(controller.prefix, CONTROLLER_VALUES)
        values, notes = self._shown(CONTROLLERS, controller.prefix, CONTROLLER_VALUES, found)
        values |= {
            "name": controller.name,
            "position": place,
            "subsystem": controller.subsystem,
            "driver": controller.driver,
            "service_name": controller.ioc,
            "pv_prefix": controller.prefix,
            "channel_count": len(controller.channels),
            "state": values["state"] or _DISCONNECTED,
        }
        return Row(values | _health([found["state"], found["answers"], found["latency"]], found["polls"]), notes)

    def _service(self, service: ServiceEntry) -> Row:
        found = self._readings(service.prefix, SERVICE_VALUES)
        beat = self._live.readings([f"{service.prefix}:{HEARTBEAT}"]).popitem()[1]
        values, notes = self._shown(SERVICES, service.prefix, SERVICE_VALUES, found)
        runs = beat.connected and beat.age_s is not None and beat.age_s < HEARTBEAT_PATIENCE_S
        values |= {
            "name": service.name,
            "kind": service.kind,
            "pv_prefix": service.prefix,
            "state": "RUNNING" if runs else "LOST",
        }
        return Row(values | _health([*found.values(), beat], beat), notes)

    def _readings(self, prefix: str, suffixes: Mapping[str, str]) -> dict[str, Reading]:
        found = self._live.readings([f"{prefix}:{suffix}" for suffix in suffixes.values()])
        return dict(zip(suffixes, found.values(), strict=True))

    def _shown(
        self, resource: Resource, prefix: str, suffixes: Mapping[str, str], found: Mapping[str, Reading]
    ) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
        values: dict[str, Any] = {}
        notes: dict[str, dict[str, Any]] = {}
        for name, reading in found.items():
            pv = f"{prefix}:{suffixes[name]}"
            attribute = resource.by_name[name]
            read = _READERS[attribute.type]
            values[name] = read(self._labelled(pv, attribute.type, reading.value))
            notes[name] = self._note(pv, reading)
            if reading is not NOTHING and reading.value is None and reading.status is not Status.UDF:
                notes[name]["last"] = read(self._labelled(pv, attribute.type, reading.last))
        return values, notes

    def _labelled(self, pv: str, kind: Type, value: Any) -> Any:
        labels = self._plant.labels.get(pv, ())
        if kind is Type.TEXT and labels and isinstance(value, float) and 0 <= value < len(labels):
            return labels[int(value)]
        return value

    def _note(self, pv: str, reading: Reading) -> dict[str, Any]:
        note: dict[str, Any] = {"pv": pv, "severity": reading.severity.name, "status": reading.status.name}
        if pv in self._plant.units:
            note["units"] = self._plant.units[pv]
        if reading.taken_at is not None and reading.status is not Status.UDF:
            note["time"] = iso(reading.taken_at)
        return note


def _reader(convert: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """What is no finite number, or of another type than it should be, is no value."""

    def read(value: Any) -> Any:
        if value is None or (isinstance(value, float) and not isfinite(value)):
            return None
        try:
            return convert(value)
        except (TypeError, ValueError):
            return None

    return read


_READERS: Mapping[Type, Callable[[Any], Any]] = {
    Type.NUMBER: _reader(float),
    Type.INTEGER: _reader(int),
    Type.BOOLEAN: _reader(bool),
    Type.TEXT: _reader(lambda value: f"{value:g}" if isinstance(value, float) else str(value)),
}


def _health(readings: Iterable[Reading], beat: Reading) -> dict[str, Any]:
    there = list(readings)
    return {
        "severity": max((reading.severity for reading in there), default=Severity.INVALID).name,
        "connected": all(reading.connected for reading in there),
        "age": None if beat.age_s is None else round(beat.age_s, 3),
    }
