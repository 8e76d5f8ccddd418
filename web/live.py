"""The newest value of every PV that the API shows, kept by monitors.

The web part can only listen: what it holds of Channel Access is a ``Monitors``, which has nothing to write with.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from sipmdcs.channels import Batch, Kind
from sipmdcs.clock import NS, Clock, to_datetime
from sipmdcs.severity import Severity, Status

_WAIT_S = 0.5
"""A thread that waits for values looks so often whether it should end."""
_REST_S = 0.05
"""Values are gathered for so long before they are looked at."""


class Monitors(Protocol):
    """Of ``sipmdcs.channels.Capture``, what listening takes."""

    @property
    def names(self) -> Sequence[str]: ...

    def drain(self) -> Batch: ...

    def wait(self, timeout: float) -> bool: ...

    def connected(self) -> NDArray[np.bool_]: ...

    def close(self) -> None: ...


def open_monitors(names: Sequence[str]) -> Monitors:
    """Monitors over Channel Access. The EPICS environment variables must be set before."""
    from sipmdcs.channels import open_channels  # loads libca, which tests of everything else do without

    return open_channels().capture(names)


@dataclass(frozen=True, slots=True)
class Reading:
    """What is known of one PV."""

    value: Any
    """``None`` if it is undefined or disconnected: what is not known now is no value."""
    last: Any
    """The newest value, however old."""
    severity: Severity
    status: Status
    connected: bool
    taken_at: datetime | None
    """Time stamp of the server."""
    age_s: float | None
    """Since the newest value came in here."""


NOTHING = Reading(None, None, Severity.INVALID, Status.UDF, connected=False, taken_at=None, age_s=None)
"""Of a PV that never answered."""


class Live:
    """Latest readings by PV name; a thread keeps them until ``close``.

    Args:
        monitors: on all PVs of interest; closed at the end.
        clock: tells the age of values.
    """

    def __init__(self, monitors: Monitors, clock: Clock) -> None:
        self._monitors = monitors
        self._clock = clock
        self._index = {name: index for index, name in enumerate(monitors.names)}
        size = len(self._index)
        self._number = np.full(size, np.nan)
        self._payload: dict[int, Any] = {}
        self._time_ns = np.zeros(size, np.int64)
        self._received_ns = np.zeros(size, np.int64)
        self._severity = np.full(size, Severity.INVALID, np.int64)
        self._status = np.full(size, Status.UDF, np.int64)
        self._lock = threading.Lock()
        self._ending = threading.Event()
        self.lost = 0
        """Values dropped because they came faster than they were looked at."""
        self._thread = threading.Thread(target=self._follow, name="live values", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop listening."""
        self._ending.set()
        self._thread.join()
        self._monitors.close()

    @property
    def connected(self) -> int:
        """How many PVs are connected."""
        return int(np.count_nonzero(self._monitors.connected()))

    @property
    def size(self) -> int:
        """How many PVs are followed."""
        return len(self._index)

    def readings(self, names: Sequence[str]) -> dict[str, Reading]:
        """Readings of PVs; of one that is not followed ``NOTHING``."""
        connected = self._monitors.connected()
        now_ns = self._clock.time_ns()
        with self._lock:
            return {name: self._reading(self._index.get(name), connected, now_ns) for name in names}

    def _reading(self, index: int | None, connected: NDArray[np.bool_], now_ns: int) -> Reading:
        if index is None or not self._received_ns[index]:
            return NOTHING
        last = self._payload.get(index, float(self._number[index]))
        there = bool(connected[index])
        status = Status(int(self._status[index])) if there else Status.LINK
        return Reading(
            last if there and status is not Status.UDF else None,
            last,
            Severity(int(self._severity[index])) if there else Severity.INVALID,
            status,
            there,
            to_datetime(int(self._time_ns[index])),
            max((now_ns - int(self._received_ns[index])) / NS, 0.0),
        )

    def _follow(self) -> None:
        while not self._ending.is_set():
            if self._monitors.wait(_WAIT_S):
                self._ending.wait(_REST_S)
                self._take(self._monitors.drain())

    def _take(self, batch: Batch) -> None:
        values = batch.events[batch.events["kind"] <= Kind.TEXT_ARRAY]
        with self._lock:
            self.lost += batch.dropped
            order = values["pv"]  # the last event of a PV counts, as in an assignment by index
            self._number[order] = values["value"]
            self._time_ns[order] = values["time_ns"]
            self._received_ns[order] = values["received_ns"]
            self._severity[order] = values["severity"]
            self._status[order] = values["status"]
            for event in values[values["payload"] > 0]:
                self._payload[int(event["pv"])] = batch.payloads[int(event["payload"]) - 1]
