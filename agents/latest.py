"""The newest value of every PV that any agent reads: one subscription for all, none in the agents' own processes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable

import numpy as np

from agents.reading import INVALID, NOTHING, Row
from sipmdcs.channels import Batch, Capture, Channels, Kind
from sipmdcs.clock import NS, Clock
from sipmdcs.severity import Severity, Status

_DRAIN_S = 0.1
"""How old a value may be when an agent gets it, besides its way through the network."""

_SEVERITIES = tuple(one.name for one in Severity)

_log = logging.getLogger(__name__)


class Follower:
    """Which of some PVs have changed since they were looked at."""

    def __init__(self, names: Iterable[str]) -> None:
        self.names = frozenset(names)
        self.changed = set(self.names)

    def take(self) -> set[str]:
        """Those that have changed since the call before, at first all."""
        changed, self.changed = self.changed, set()
        return changed


class Latest:
    """Newest values by PV name."""

    def __init__(self, channels: Channels, clock: Clock) -> None:
        self._channels = channels
        self._clock = clock
        self._captures: list[Capture] = []
        self._names: set[str] = set()
        self._rows: dict[str, Row] = {}
        self._connected: set[str] = set()
        self._followers: dict[str, list[Follower]] = {}

    async def watch(self, names: Iterable[str]) -> None:
        """Subscribe to those that are not yet subscribed to."""
        fresh = sorted(set(names) - self._names)
        if fresh:
            self._names.update(fresh)
            self._captures.append(await asyncio.to_thread(self._channels.capture, fresh))

    def follow(self, names: Iterable[str]) -> Follower:
        """Notes from now on which of ``names`` change."""
        follower = Follower(names)
        for name in follower.names:
            self._followers.setdefault(name, []).append(follower)
        return follower

    def unfollow(self, follower: Follower) -> None:
        """Note nothing more."""
        for name in follower.names:
            self._followers[name].remove(follower)

    async def run(self) -> None:
        """Take in values until cancelled; ends the subscriptions then."""
        try:
            while True:
                for capture in self._captures:
                    self._take(capture, capture.drain())
                await asyncio.sleep(_DRAIN_S)
        finally:
            for capture in self._captures:
                capture.close()

    @property
    def size(self) -> int:
        """PVs that are subscribed to."""
        return len(self._names)

    @property
    def disconnected(self) -> int:
        """PVs among them without a connection."""
        return len(self._names) - len(self._connected)

    def row(self, name: str) -> Row:
        """The newest value of a PV, not to be changed."""
        return self._rows.get(name, NOTHING)

    def accept(self, name: str, row: Row) -> None:
        """A PV has a new value, alarm or time."""
        self._rows[name] = row
        for follower in self._followers.get(name, ()):
            follower.changed.add(name)

    def _take(self, capture: Capture, batch: Batch) -> None:
        if batch.dropped:
            _log.error("%d values of inputs are lost", batch.dropped)
        events = batch.events
        now = self._clock.monotonic()
        # Only the newest event of each PV counts.
        _, backwards = np.unique(events["pv"][::-1], return_index=True)
        for index in (len(events) - 1 - backwards).tolist():
            event = events[index]
            name = capture.names[int(event["pv"])]
            match Kind(int(event["kind"])):
                case Kind.CONNECTED:
                    pass  # its first value follows
                case Kind.DISCONNECTED:
                    if name in self._connected:
                        self._connected.remove(name)
                        value, _, _, time, arrived = self._rows[name]
                        self.accept(name, [value, INVALID, Status.COMM.name, time, arrived])
                case _:
                    data = batch.data(index)
                    value = data.tolist() if isinstance(data, np.ndarray) else data
                    self._connected.add(name)
                    severity, status = int(event["severity"]), _status(int(event["status"]))
                    self.accept(name, [value, severity, status, int(event["time_ns"]) / NS, now])


def _status(number: int) -> str:
    try:
        return Status(number).name
    except ValueError:
        return str(number)


def severity_name(severity: int) -> str:
    """``MAJOR`` of 2."""
    return _SEVERITIES[severity]
