"""The newest value of every PV that the API shows, kept by monitors.

The web part can only listen: what it holds of Channel Access is a ``Monitors``, which has nothing to write with.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from sipmdcs.channels import Batch, Kind
from sipmdcs.clock import Clock
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
class Snapshot:
    """What is known of every PV at one moment; arrays by the place of the PV in ``Live.index``."""

    now_ns: int
    number: NDArray[np.float64]
    """Newest value, however old; NaN if it is no number or never came."""
    payload: Mapping[int, Any]
    """Newest value of PVs whose value is no number."""
    received_ns: NDArray[np.int64]
    """When it came in here; 0 if it never did."""
    time_ns: NDArray[np.int64]
    """Its time stamp, of the server."""
    severity: NDArray[np.int64]
    """INVALID of a PV that is not connected."""
    status: NDArray[np.int64]
    """LINK of a PV that is not connected, UDF of one that never answered."""
    there: NDArray[np.bool_]
    """Connected and heard of."""

    @property
    def known(self) -> NDArray[np.bool_]:
        """Which newest values are those of now."""
        return self.there & (self.status != Status.UDF)


class Live:
    """Newest values of PVs; a thread keeps them until ``close``.

    Args:
        monitors: on all PVs of interest; closed at the end.
        clock: tells the age of values.
    """

    def __init__(self, monitors: Monitors, clock: Clock) -> None:
        self._monitors = monitors
        self._clock = clock
        self.index: Mapping[str, int] = {name: index for index, name in enumerate(monitors.names)}
        """Place of each PV that is followed."""
        size = len(self.index)
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
        return len(self.index)

    def snapshot(self) -> Snapshot:
        """What is known now."""
        connected = self._monitors.connected()
        now_ns = self._clock.time_ns()
        with self._lock:
            received_ns = self._received_ns.copy()
            heard = received_ns > 0
            there = heard & connected
            return Snapshot(
                now_ns,
                self._number.copy(),
                dict(self._payload),
                received_ns,
                self._time_ns.copy(),
                np.where(there, self._severity, Severity.INVALID),
                np.where(heard, np.where(there, self._status, Status.LINK), Status.UDF),
                there,
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
            self._severity[order] = np.minimum(values["severity"], Severity.INVALID)  # any number may come from the wire
            self._status[order] = values["status"]
            with_payload = values[values["payload"] > 0]
            for place, payload in zip(with_payload["pv"].tolist(), with_payload["payload"].tolist(), strict=True):
                self._payload[place] = batch.payloads[payload - 1]
