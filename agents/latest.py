"""The newest value of every PV that any agent reads: one subscription for all, none in the agents' own processes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from agents.reading import INVALID
from sipmdcs.channels import Batch, Capture, Channels, Kind
from sipmdcs.clock import NS, Clock
from sipmdcs.severity import Severity, Status

_DRAIN_S = 0.1
"""How old a value may be when an agent gets it, besides its way through the network."""

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Held:
    value: Any
    severity: int
    status: str
    time: float
    arrived: float
    """By the monotonic clock, so that ages survive a step of the wall clock."""
    connected: bool = True


class Latest:
    """Newest values by PV name."""

    def __init__(self, channels: Channels, clock: Clock) -> None:
        self._channels = channels
        self._clock = clock
        self._captures: list[Capture] = []
        self._names: set[str] = set()
        self._held: dict[str, _Held] = {}

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
        return len(self._names) - sum(held.connected for held in self._held.values())

    def row(self, name: str) -> list[Any]:
        """The fields of a ``Reading``: value, severity, status, Unix time, age."""
        held = self._held.get(name)
        if held is None:
            return [None, INVALID, Status.UDF.name, 0.0, None]
        age = self._clock.monotonic() - held.arrived
        if not held.connected:
            return [held.value, INVALID, Status.COMM.name, held.time, age]
        return [held.value, held.severity, held.status, held.time, age]

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
                    if name in self._held:
                        self._held[name].connected = False
                case _:
                    data = batch.data(index)
                    value = data.tolist() if isinstance(data, np.ndarray) else data
                    severity, status = int(event["severity"]), _status(int(event["status"]))
                    self._held[name] = _Held(value, severity, status, int(event["time_ns"]) / NS, now)


def _status(number: int) -> str:
    try:
        return Status(number).name
    except ValueError:
        return str(number)


def severity_name(severity: int) -> str:
    """``MAJOR`` of 2."""
    return Severity(severity).name
