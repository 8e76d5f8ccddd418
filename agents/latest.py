"""The newest value of every PV that any agent reads: one subscription for all, none in the agents' own processes.

Values wait in the captures until somebody asks, so that what they cost follows from how often agents run and not from how
often values change.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping
from itertools import compress, repeat
from operator import is_not
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agents.reading import INVALID, NOTHING, Row
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
        self._captures: list[Capture] = []
        self._names: set[str] = set()
        self._rows: dict[str, Row] = {}
        self._connected: set[str] = set()
        self._taken = clock.monotonic()
        """When the captures were emptied last, monotonic seconds."""

    async def watch(self, names: Iterable[str]) -> None:
        """Subscribe to those that are not yet subscribed to."""
        fresh = sorted(set(names) - self._names)
        if fresh:
            self._names.update(fresh)
            self._captures.append(await asyncio.to_thread(self._channels.capture, fresh))

    async def run(self) -> None:
        """Take in values until cancelled; ends the subscriptions then."""
        try:
            while True:
                self.refresh()
                await asyncio.sleep(_EMPTY_S)
        finally:
            for capture in self._captures:
                capture.close()

    def refresh(self) -> None:
        """Take in what has come, unless that was done a moment ago."""
        now = self._clock.monotonic()
        if self._taken + _FRESH_S <= now:
            for capture in self._captures:
                self._take(capture, capture.drain(), now)
            self._taken = now

    @property
    def size(self) -> int:
        """PVs that are subscribed to."""
        return len(self._names)

    @property
    def disconnected(self) -> int:
        """PVs among them without a connection."""
        return len(self._names) - len(self._connected)

    def row(self, name: str) -> Row:
        """The newest value of a PV."""
        return self._rows.get(name, NOTHING)

    def news(self, held: Mapping[str, Row]) -> dict[str, Row]:
        """Those of the rows in ``held`` that are others by now."""
        newest = list(map(self._rows.get, held, repeat(NOTHING)))
        return dict(compress(zip(held, newest, strict=True), map(is_not, newest, held.values())))

    def accept(self, rows: Mapping[str, Row]) -> None:
        """PVs have a new value, alarm or time."""
        self._rows.update(rows)

    def _take(self, capture: Capture, batch: Batch, now: float) -> None:
        if batch.dropped:
            _log.error("%d values of inputs are lost", batch.dropped)
        # Only the newest event of each PV counts.
        events = batch.events[::-1]
        events = events[np.unique(events["pv"], return_index=True)[1]]
        kinds = events["kind"]
        lost = _names(capture, events[kinds == Kind.DISCONNECTED])
        values = events[(kinds != Kind.CONNECTED) & (kinds != Kind.DISCONNECTED)]  # after a connection a value follows
        names = _names(capture, values)
        self.accept(dict(zip(names, self._value_rows(values, batch, now), strict=True)))
        self._connected.update(names)
        for name in self._connected.intersection(lost):
            value, _, _, time, arrived = self._rows[name]
            self.accept({name: (value, INVALID, Status.COMM.name, time, arrived)})
        self._connected.difference_update(lost)

    def _value_rows(self, events: NDArray[np.void], batch: Batch, now: float) -> Iterable[Row]:
        """Rows of events with a value, thousands at once."""
        values: list[Any] = events["value"].tolist()
        for index in np.flatnonzero(events["payload"]).tolist():
            data = batch.payloads[int(events["payload"][index]) - 1]
            values[index] = data.tolist() if isinstance(data, np.ndarray) else data
        statuses = [_STATUSES[status] for status in events["status"].tolist()]
        times = (events["time_ns"] / NS).tolist()
        # A step of the wall clock makes no value older than the captures were empty, nor younger than now.
        arrived = np.clip(now - (self._clock.time_ns() - events["received_ns"]) / NS, self._taken, now).tolist()
        return zip(values, events["severity"].tolist(), statuses, times, arrived, strict=True)


def _names(capture: Capture, events: NDArray[np.void]) -> list[str]:
    pvs: list[int] = events["pv"].tolist()
    return [capture.names[pv] for pv in pvs]


class _Statuses(dict[int, str]):
    """Names of alarm statuses; a number that has none names itself."""

    def __missing__(self, status: int) -> str:
        return str(status)


_STATUSES = _Statuses((int(one), one.name) for one in Status)
