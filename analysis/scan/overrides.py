"""Setpoints that other clients put while a scan runs: remembered even if the scan overwrites them a moment later.

A monitor on ``BIAS`` sees every value in order. A value that is neither the one before nor one of those the scan sent since is
another client's. After its IOC was away a record comes back with any value that the scan has set earlier, or with the one
from before the scan; that is nobody's doing.
"""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Protocol

from sipmdcs.channels import Channels, Kind

SAME_V = 0.002
"""Setpoints that differ by less are the same: a count of the finest device is 1.8 mV."""

_LAG_S = 2.0
"""A value that was read is on the monitor within this, or it is never."""

_LOOK_S = 0.02


@dataclass(frozen=True, slots=True)
class Ledger:
    """What is known of the setpoint of one channel."""

    present: float | None = None
    """Seen last; ``None`` before the first value and while the IOC is away."""
    sent: tuple[float, ...] = ()
    """Sent by the scan and not seen yet, in order."""
    foreign: float | None = None
    """The last one that another client put."""


def sending(ledger: Ledger, volts: float) -> Ledger:
    """The scan is about to put a value."""
    return replace(ledger, sent=(*ledger.sent, volts))


def seen(ledger: Ledger, volts: float, is_own: Callable[[float], bool]) -> Ledger:
    """The record has a value. Values may be skipped by a slow circuit, but come in order.

    Args:
        ledger: as it was.
        volts: the value.
        is_own: whether the record of an IOC that was away may come back with a value.
    """
    if ledger.present is not None and _same(volts, ledger.present):
        return ledger
    for index, own in enumerate(ledger.sent):
        if _same(volts, own):
            return replace(ledger, present=volts, sent=ledger.sent[index + 1 :])
    if ledger.present is None and is_own(volts):
        return replace(ledger, present=volts)
    return replace(ledger, present=volts, foreign=volts)


def lost(ledger: Ledger) -> Ledger:
    """The IOC is away."""
    return replace(ledger, present=None)


def _same(first: float, second: float) -> bool:
    return abs(first - second) <= SAME_V


class Overrides(Protocol):
    """What a channel of a scan needs."""

    def sending(self, channel: str, volts: float) -> None:
        """The scan is about to put a value."""
        ...

    async def found(self, channel: str, unexplained_V: float | None) -> float | None:
        """The setpoint that another client put, ``None`` if there is none.

        Args:
            channel: its prefix.
            unexplained_V: a value of its ``BIAS`` that the scan did not put last; waits until the monitor has it, too.
        """
        ...


class SetpointMonitor:
    """Monitors on the setpoints of a scan; any thread may call any method.

    Args:
        channels: Channel Access.
        own: by channel, whether a value may be one of the scan or from before it.
    """

    def __init__(self, channels: Channels, own: Mapping[str, Callable[[float], bool]]) -> None:
        self._own = own
        self._names = list(own)
        self._ledgers = dict.fromkeys(own, Ledger())
        self._lock = threading.Lock()
        self._capture = channels.capture([f"{name}:BIAS" for name in self._names])

    def sending(self, channel: str, volts: float) -> None:
        with self._lock:
            self._take()
            self._ledgers[channel] = sending(self._ledgers[channel], volts)

    def ledger(self, channel: str) -> Ledger:
        """What is known now."""
        with self._lock:
            self._take()
            return self._ledgers[channel]

    async def found(self, channel: str, unexplained_V: float | None) -> float | None:
        deadline = time.monotonic() + _LAG_S
        while True:
            ledger = self.ledger(channel)
            if ledger.foreign is not None or unexplained_V is None or time.monotonic() > deadline:
                return ledger.foreign
            if ledger.present is not None and _same(ledger.present, unexplained_V):
                return None
            await asyncio.sleep(_LOOK_S)

    def close(self) -> None:
        """End the monitors."""
        with self._lock:
            self._capture.close()

    def _take(self) -> None:
        batch = self._capture.drain()
        for event in batch.events:
            name = self._names[int(event["pv"])]
            if event["kind"] == Kind.DISCONNECTED:
                self._ledgers[name] = lost(self._ledgers[name])
            elif event["kind"] == Kind.SCALAR and math.isfinite(event["value"]):
                self._ledgers[name] = seen(self._ledgers[name], float(event["value"]), self._own[name])
