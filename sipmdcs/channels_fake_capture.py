"""Monitors on the PVs of ``FakeChannels``."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from math import nan
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from sipmdcs.channels import EVENT, Batch, Kind, PvData, PvMetadata, PvValue
from sipmdcs.clock import Clock


class FakeCapture:
    """See ``channels.Capture``; made by ``FakeChannels.capture``."""

    def __init__(self, names: Sequence[str], clock: Clock, capacity: int, *, metadata: bool = False) -> None:
        self.names: Sequence[str] = tuple(names)
        self._clock = clock
        self._capacity = capacity
        self._metadata = metadata
        self._changed = threading.Condition()
        self._indexes: dict[str, list[int]] = {}
        for index, name in enumerate(self.names):
            self._indexes.setdefault(name, []).append(index)
        self._connected = np.zeros(len(self.names), np.bool_)
        self._rows: list[tuple[int, int, float, int, int, int, int, int]] = []
        self._payloads: list[PvData | PvMetadata] = []
        self._dropped = 0
        self._closed = False

    def connection(self, name: str, time_ns: int, metadata: PvMetadata | None) -> None:
        """A PV was found and says this about itself, or was lost (``None``)."""
        up = metadata is not None
        with self._changed:
            for index in self._indexes.get(name, ()):
                if self._connected[index] != up:
                    self._connected[index] = up
                    self._append(time_ns, nan, index, None, (0, 0), Kind.CONNECTED if up else Kind.DISCONNECTED)
                    if up and self._metadata:
                        self._append(time_ns, nan, index, metadata, (0, 0), Kind.METADATA)

    def reading(self, name: str, reading: PvValue) -> None:
        """A PV has a new value."""
        alarm = reading.status, reading.severity
        with self._changed:
            for index in self._indexes.get(name, ()):
                match reading.value:
                    case str() as text:
                        self._append(reading.time_ns, nan, index, text, alarm, Kind.TEXT)
                    case list() as texts:
                        self._append(reading.time_ns, nan, index, texts, alarm, Kind.TEXT_ARRAY)
                    case np.ndarray() as array:
                        self._append(reading.time_ns, nan, index, array, alarm, Kind.ARRAY)
                    case number:
                        self._append(reading.time_ns, float(number), index, None, alarm, Kind.SCALAR)

    def drain(self) -> Batch:
        with self._changed:
            rows, self._rows = self._rows, []
            payloads, self._payloads = self._payloads, []
            dropped, self._dropped = self._dropped, 0
        return Batch(np.array(rows, EVENT), payloads, dropped)

    def wait(self, timeout: float) -> bool:
        with self._changed:
            self._changed.wait_for(lambda: self._rows or self._closed, timeout)
            return bool(self._rows) and not self._closed

    def connected(self) -> NDArray[np.bool_]:
        with self._changed:
            return self._connected.copy()

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, err: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _append(
        self,
        time_ns: int,
        number: float,
        index: int,
        payload: PvData | PvMetadata | None,
        alarm: tuple[int, int],
        kind: Kind,
    ) -> None:
        if self._closed:
            return
        if len(self._rows) >= self._capacity:
            self._dropped += 1
            return
        if payload is not None:
            self._payloads.append(payload)
        place = len(self._payloads) if payload is not None else 0
        self._rows.append((time_ns, self._clock.time_ns(), number, index, place, *alarm, kind))
        self._changed.notify_all()
