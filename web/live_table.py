"""Columns of rows that each have the same PVs behind them, made from a snapshot for all rows at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sipmdcs.clock import NS, to_datetime
from sipmdcs.severity import Severity, Status
from web.attribute import Type
from web.live import Snapshot
from web.plant import Plant
from web.resource import Resource
from web.values import iso

_SEVERITIES = [severity.name for severity in Severity]
_STATUSES = {int(status): status.name for status in Status}


class LiveTable:
    """The PVs of several rows.

    Args:
        resource: tells the types of attributes.
        prefixes: of the PVs of each row.
        suffixes: PV behind an attribute.
        index: place of each PV in a snapshot; has all of these.
        plant: units and names of states.
    """

    def __init__(
        self,
        resource: Resource,
        prefixes: Sequence[str],
        suffixes: Mapping[str, str],
        index: Mapping[str, int],
        plant: Plant,
    ) -> None:
        self._types = {name: resource.by_name[name].type for name in suffixes if name in resource.by_name}
        self._pvs = {name: [f"{prefix}:{suffix}" for prefix in prefixes] for name, suffix in suffixes.items()}
        self._places = {name: np.array([index[pv] for pv in pvs], np.int64) for name, pvs in self._pvs.items()}
        self._labels = {name: [plant.labels.get(pv, ()) for pv in pvs] for name, pvs in self._pvs.items()}
        self._units = {name: [plant.units.get(pv) for pv in pvs] for name, pvs in self._pvs.items()}

    def values(self, name: str, snapshot: Snapshot) -> list[Any]:
        """An attribute of every row; what is not known now is ``None``."""
        return self._read(name, snapshot, snapshot.known)

    def notes(self, names: Sequence[str], snapshot: Snapshot) -> list[dict[str, dict[str, Any]]]:
        """What else is known of these attributes, by row."""
        notes: list[dict[str, dict[str, Any]]] = [{} for _ in next(iter(self._pvs.values()))]
        times: dict[int, str] = {}  # one poll has one time stamp
        for name in names:
            for note, found in zip(notes, self._notes(name, snapshot, times), strict=True):
                note[name] = found
        return notes

    def severities(self, names: Sequence[str], snapshot: Snapshot) -> list[str]:
        """Worst severity of some attributes, by row."""
        worst = np.maximum.reduce([snapshot.severity[self._places[name]] for name in names])
        return [_SEVERITIES[number] for number in worst.tolist()]

    def connected(self, names: Sequence[str], snapshot: Snapshot) -> list[bool]:
        """Whether all of some attributes are there, by row."""
        return np.logical_and.reduce([snapshot.there[self._places[name]] for name in names]).tolist()

    def newest(self, names: Sequence[str], snapshot: Snapshot) -> list[Any]:
        """Newest time stamp of some attributes, by row; ``None`` if there is none."""
        stamps = [np.where(snapshot.received_ns[places] > 0, snapshot.time_ns[places], 0) for places in self._of(names)]
        return [to_datetime(time_ns) if time_ns else None for time_ns in np.maximum.reduce(stamps).tolist()]

    def ages(self, name: str, snapshot: Snapshot) -> list[float | None]:
        """Seconds since the newest value of an attribute came in; ``None`` if none did."""
        received = snapshot.received_ns[self._places[name]].tolist()
        return [round(max((snapshot.now_ns - at) / NS, 0.0), 3) if at else None for at in received]

    def _of(self, names: Sequence[str]) -> list[NDArray[np.int64]]:
        return [self._places[name] for name in names]

    def _read(self, name: str, snapshot: Snapshot, chosen: NDArray[np.bool_]) -> list[Any]:
        places, kind = self._places[name], self._types[name]
        numbers = snapshot.number[places]
        usable = chosen[places] & np.isfinite(numbers)
        convert = _CONVERT[kind]
        if kind is Type.TEXT:
            labels = self._labels[name]
            values = [
                _text(number, labels[row]) if good else None
                for row, (number, good) in enumerate(zip(numbers.tolist(), usable.tolist(), strict=True))
            ]
        else:
            values = [convert(number) if good else None for number, good in zip(numbers.tolist(), usable.tolist(), strict=True)]
        if snapshot.payload:
            for row, place in enumerate(places.tolist()):
                if place in snapshot.payload:
                    values[row] = _other(snapshot.payload[place], convert) if chosen[place] else None
        return values

    def _notes(self, name: str, snapshot: Snapshot, times: dict[int, str]) -> list[dict[str, Any]]:
        places = self._places[name]
        heard = snapshot.received_ns > 0
        gone = (heard & ~snapshot.known & (snapshot.status != Status.UDF))[places].tolist()
        last = self._read(name, snapshot, heard) if any(gone) else []
        made: list[dict[str, Any]] = []
        rows = zip(
            self._pvs[name],
            snapshot.severity[places].tolist(),
            snapshot.status[places].tolist(),
            self._units[name],
            np.where(heard & (snapshot.status != Status.UDF), snapshot.time_ns, 0)[places].tolist(),
            gone,
            strict=True,
        )
        for row, (pv, severity, status, unit, time_ns, is_gone) in enumerate(rows):
            note: dict[str, Any] = {"pv": pv, "severity": _SEVERITIES[severity], "status": _STATUSES.get(status, str(status))}
            if unit is not None:
                note["units"] = unit
            if time_ns:
                note["time"] = times.get(time_ns) or times.setdefault(time_ns, iso(to_datetime(time_ns)))
            if is_gone:
                note["last"] = last[row]
            made.append(note)
        return made


def _text(number: float, labels: Sequence[str]) -> str:
    return labels[int(number)] if labels and 0 <= number < len(labels) else f"{number:g}"


def _other(value: Any, convert: Callable[[Any], Any]) -> Any:
    """A text or an array; what is of another type than it should be is no value."""
    if value is None or (isinstance(value, float) and not isfinite(value)):
        return None
    try:
        return convert(value)
    except (TypeError, ValueError):
        return None


_CONVERT: Mapping[Type, Callable[[Any], Any]] = {
    Type.NUMBER: float,
    Type.INTEGER: int,
    Type.BOOLEAN: bool,
    Type.TEXT: str,
}
