"""From captured events to rows: numbers of the catalogue, flags, sampling, and what is known of each PV right now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray

from archiver.arrival import ArrivalWatch
from archiver.rows import Rows, empty_rows, is_sample
from archiver.sampler import Sampler
from sipmdcs.channels import Batch, Kind, PvData

_COPIED = ("time_ns", "received_ns", "value", "payload", "status", "severity", "kind")


@dataclass(frozen=True, slots=True)
class PvActivity:
    """What happened to a PV since the archiver started; times are Unix nanoseconds, 0 for never."""

    connected: bool
    events: int
    last_received_ns: int
    first_connected_ns: int
    last_connected_ns: int
    last_lost_ns: int
    losses: int


class Recorder:
    """Turns what a capture drains into rows. One thread calls ``take``; any thread may ask for the rest."""

    def __init__(self, pv_ids: Sequence[int], periods_s: Sequence[float], newest_ns: Sequence[int]) -> None:
        """Describe the PVs, in the order of the capture.

        Args:
            pv_ids: number of each in the catalogue.
            periods_s: scan period of each, 0 for those of which every change is stored.
            newest_ns: newest time stamp of each that was stored before, 0 if none.
        """
        count = len(pv_ids)
        self._ids = np.array(pv_ids, np.uint32)
        self._watch = ArrivalWatch(np.array(newest_ns, np.int64))
        self._sampler = Sampler(np.array(periods_s, np.float64))
        self._events = np.zeros(count, np.int64)
        self._last_received = np.zeros(count, np.int64)
        self._first_connected = np.zeros(count, np.int64)
        self._last_connected = np.zeros(count, np.int64)
        self._last_lost = np.zeros(count, np.int64)
        self._losses = np.zeros(count, np.int64)
        self.connected = np.zeros(count, np.bool_)
        """Which PVs are connected."""
        self.events = 0
        """Samples that came in."""
        self._new_connections: dict[int, int] = {}
        self._left_out = np.zeros(count, np.bool_)

    def leave_out(self, indices: Sequence[int]) -> None:
        """Store nothing more of PVs, by their indices in the capture: they are there under another name as well."""
        self._left_out[list(indices)] = True

    def take(self, batch: Batch, now_ns: int) -> Rows:
        """Rows to be stored now: those of this batch that are not held back, and sampled ones that are due."""
        events = batch.events
        if self._left_out.any():
            events = events[~self._left_out[events["pv"]]]
        pv = events["pv"]
        rows = empty_rows(len(events))
        for name in _COPIED:
            rows[name] = events[name]
        rows["pv"] = self._ids[pv]
        sample = is_sample(rows)
        all_samples = bool(sample.all())
        if not all_samples:
            self._note_links(pv[~sample], rows[~sample])
        selected = slice(None) if all_samples else sample
        self._count(pv[selected], rows["received_ns"][selected])
        rows["flags"][selected] = self._watch.flags(pv[selected], rows["time_ns"][selected], rows["received_ns"][selected])
        payloads = cast("Sequence[PvData]", batch.payloads)  # its capture asks for no metadata
        return self._sampler.pass_on(pv, rows, payloads, now_ns) if self._sampler.active else Rows(rows, payloads)

    def adjust_connected(self, connected: NDArray[np.bool_]) -> None:
        """Take it from the capture which PVs are connected, after events that said so were lost."""
        self.connected &= connected

    def flush(self) -> Rows:
        """What sampling holds back, at the end."""
        return self._sampler.flush()

    def take_new_connections(self) -> dict[int, int]:
        """PVs that connected since the last call, by index, with when."""
        found, self._new_connections = self._new_connections, {}
        return found

    def activity(self, index: int) -> PvActivity:
        """What happened to one PV, by its index in the capture."""
        return PvActivity(
            bool(self.connected[index]),
            int(self._events[index]),
            int(self._last_received[index]),
            int(self._first_connected[index]),
            int(self._last_connected[index]),
            int(self._last_lost[index]),
            int(self._losses[index]),
        )

    def _count(self, pv: NDArray[np.integer], received_ns: NDArray[np.int64]) -> None:
        self.events += len(pv)
        self._events += np.bincount(pv, minlength=len(self._events))
        self._last_received[pv] = received_ns  # of several of one PV the last stays

    def _note_links(self, pv: NDArray[np.integer], rows: NDArray[np.void]) -> None:
        for index, kind, time_ns in zip(pv.tolist(), rows["kind"].tolist(), rows["time_ns"].tolist(), strict=True):
            if kind == Kind.CONNECTED:
                self.connected[index] = True
                self._last_connected[index] = time_ns
                self._first_connected[index] = self._first_connected[index] or time_ns
                self._new_connections[index] = time_ns
            else:
                self.connected[index] = False
                self._last_lost[index] = time_ns
                self._losses[index] += 1
