"""The newest value of every PV that any agent reads: one subscription for all, none in the agents' own processes.

Values wait in the captures until somebody asks, so that what they cost follows from how often agents run and not from how
often values change.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agents.reading import INVALID, Row, is_valid
from agents.table import Places, Selection, Table
from sipmdcs.channels import Batch, Capture, Channels, Kind
from sipmdcs.clock import NS, Clock
from sipmdcs.severity import Status

_FRESH_S = 0.1
"""How old a value may be when an agent gets it, besides its way through the network."""
_EMPTY_S = 1.0
"""How often captures are emptied although nobody asks."""

_log = logging.getLogger(__name__)


class Latest:
    """Newest values by PV name."""

    def __init__(self, channels: Channels, clock: Clock) -> None:
        self._channels = channels
        self._clock = clock
        self._captures: list[tuple[Capture, Places]] = []
        """With the places of their PVs."""
        self._names: set[str] = set()
        self._table = Table()
        self._taken = clock.monotonic()
        """When the captures were emptied last, monotonic seconds."""

    async def watch(self, names: Iterable[str]) -> None:
        """Subscribe to those that are not yet subscribed to."""
        fresh = sorted(set(names) - self._names)
        if fresh:
            self._names.update(fresh)
            capture = await asyncio.to_thread(self._channels.capture, fresh)
            self._captures.append((capture, self._table.places(fresh)))

    def select(self, names: Sequence[str]) -> Selection:
        """PVs to look at again and again, each but once; they may be subscribed to later."""
        return Selection(self._table, names)

    async def run(self) -> None:
        """Take in values until cancelled; ends the subscriptions then."""
        try:
            while True:
                self.refresh()
                await asyncio.sleep(_EMPTY_S)
        finally:
            for capture, _ in self._captures:
                capture.close()

    def refresh(self) -> None:
        """Take in what has come, unless that was done a moment ago."""
        now = self._clock.monotonic()
        if self._taken + _FRESH_S <= now:
            for capture, places in self._captures:
                self._take(places, capture.drain(), now)
            self._taken = now

    @property
    def size(self) -> int:
        """PVs that are subscribed to."""
        return len(self._names)

    @property
    def disconnected(self) -> int:
        """PVs among them without a connection."""
        return len(self._names) - int(np.count_nonzero(self._table.connected))

    def row(self, name: str) -> Row:
        """The newest value of a PV."""
        return self.select([name]).rows[name]

    def accept(self, rows: Mapping[str, Row]) -> None:
        """PVs have a new value, alarm or time."""
        places, table = self._table.places(rows), self._table
        table.put(places, rows.values(), np.array([is_valid(row) for row in rows.values()], np.bool_), connected=True)
        table.arrived[places] = [np.inf if row[4] is None else row[4] for row in rows.values()]

    def _take(self, places: Places, batch: Batch, now: float) -> None:
        if batch.dropped:
            _log.error("%d values of inputs are lost", batch.dropped)
        # Only the newest event of each PV counts.
        events = batch.events[::-1]
        events = events[np.unique(events["pv"], return_index=True)[1]]
        events = events[events["kind"] != Kind.CONNECTED]  # after a connection a value follows
        at, lost = places[events["pv"]], events["kind"] == Kind.DISCONNECTED
        values, having, table = events[~lost], at[~lost], self._table
        # A step of the wall clock makes no value older than the captures were empty, nor younger than now.
        arrived = np.clip(now - (self._clock.time_ns() - values["received_ns"]) / NS, self._taken, now)
        table.put(having, _rows(values, batch, arrived), values["severity"] < INVALID, connected=True)
        table.arrived[having] = arrived
        gone = at[lost]
        gone = gone[table.connected[gone]]
        held = [table.rows[place] for place in gone.tolist()]
        rows = [(value, INVALID, Status.COMM.name, time, arrived) for value, _, _, time, arrived in held]
        table.put(gone, rows, valid=False, connected=False)


def _rows(events: NDArray[np.void], batch: Batch, arrived: NDArray[np.float64]) -> Iterable[Row]:
    """Rows of events with a value, thousands at once."""
    values: list[Any] = events["value"].tolist()
    for index in np.flatnonzero(events["payload"]).tolist():
        data = batch.payloads[int(events["payload"][index]) - 1]
        values[index] = data.tolist() if isinstance(data, np.ndarray) else data
    statuses = [_STATUSES[status] for status in events["status"].tolist()]
    return zip(values, events["severity"].tolist(), statuses, (events["time_ns"] / NS).tolist(), arrived.tolist(), strict=True)


class _Statuses(dict[int, str]):
    """Names of alarm statuses; a number that has none names itself."""

    def __missing__(self, status: int) -> str:
        return str(status)


_STATUSES = _Statuses((int(one), one.name) for one in Status)
