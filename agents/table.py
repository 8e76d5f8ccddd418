"""The newest row of many PVs, each at a place of its own, so that what is new or invalid is found in arrays."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from agents.reading import NOTHING, Row

Places = NDArray[np.intp]


class Table:
    """Rows by place; a PV that was never heard of has ``NOTHING``."""

    def __init__(self) -> None:
        self._places: dict[str, int] = {}
        self.rows: list[Row] = []
        self.changes = 0
        """How often rows were put here."""
        self.changed: NDArray[np.int64] = np.empty(0, np.int64)
        """By place: ``changes`` when the row was put here, 0 if none was."""
        self.connected: NDArray[np.bool_] = np.empty(0, np.bool_)
        """By place: whether the PV is connected and has a value."""
        self.valid: NDArray[np.bool_] = np.empty(0, np.bool_)
        """By place: whether the value can be used."""
        self.arrived: NDArray[np.float64] = np.empty(0, np.float64)
        """By place: when the value came in, monotonic seconds, infinite if none did."""

    def places(self, names: Iterable[str]) -> Places:
        """Where PVs are; a new one gets a place."""
        places = np.array([self._places.setdefault(name, len(self._places)) for name in names], np.intp)
        if more := len(self._places) - len(self.rows):
            self.rows += [NOTHING] * more
            self.changed = np.append(self.changed, np.zeros(more, np.int64))
            self.connected = np.append(self.connected, np.zeros(more, np.bool_))
            self.valid = np.append(self.valid, np.zeros(more, np.bool_))
            self.arrived = np.append(self.arrived, np.full(more, np.inf))
        return places

    def put(self, places: Places, rows: Iterable[Row], valid: NDArray[np.bool_] | bool, *, connected: bool) -> None:
        """PVs, each but once, have other rows now."""
        held = self.rows
        for place, row in zip(places.tolist(), rows, strict=True):
            held[place] = row
        self.changes += 1
        self.changed[places] = self.changes
        self.connected[places] = connected
        self.valid[places] = valid


class Selection:
    """Some PVs of a table, in the order of their names, and what somebody has seen of them."""

    def __init__(self, table: Table, names: Sequence[str]) -> None:
        self._table = table
        self._names = names
        self._places = table.places(names)
        self._seen = 0

    def news(self) -> tuple[dict[str, Row], list[str]]:
        """Rows that are others than at the call before, and the names of those among them whose PV is not connected."""
        table = self._table
        fresh = np.flatnonzero(table.changed[self._places] > self._seen)
        self._seen = table.changes
        places = self._places[fresh]
        names = [self._names[index] for index in fresh.tolist()]
        gone = [names[index] for index in np.flatnonzero(~table.connected[places]).tolist()]
        return dict(zip(names, [table.rows[place] for place in places.tolist()], strict=True)), gone

    @property
    def rows(self) -> dict[str, Row]:
        """All rows."""
        rows = self._table.rows
        return dict(zip(self._names, [rows[place] for place in self._places.tolist()], strict=True))

    @property
    def invalid(self) -> list[int]:
        """Which of them cannot be used, by their number."""
        return np.flatnonzero(~self._table.valid[self._places]).tolist()

    @property
    def oldest(self) -> float | None:
        """When the one came in that came first, monotonic seconds; ``None`` if none did."""
        first = float(self._table.arrived[self._places].min(initial=np.inf))
        return first if first < np.inf else None
