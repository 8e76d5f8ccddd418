"""From captured events to what each PV reports: value with severity, or that it is gone.

A PV that vanishes is UNDEFINED only after a grace time, and so is the alarm that a record has because it was never processed,
so that a restarted IOC or a gateway's hiccup alarms nobody.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from alarms.level import Level, from_severity
from alarms.state import DISCONNECTED, AlarmState
from alarms.values import MetadataCache, value_text
from sipmdcs.channels import Batch, Kind
from sipmdcs.clock import EPICS_EPOCH_S, NS, Clock
from sipmdcs.severity import Severity, Status

_STATUS_NAMES = {int(status): status.name for status in Status}

NEVER_PROCESSED = "never processed"
"""Message of a record that has no value yet."""

Report = tuple[str, AlarmState]
"""PV name and what it reports."""


class Monitor:
    """Connections and values of all PVs of the tree."""

    def __init__(
        self, names: Sequence[str], metadata: MetadataCache, clock: Clock, *, grace_s: float, connect_timeout_s: float
    ) -> None:
        """Watch ``names``, in the order in which the capture has them.

        Args:
            names: PVs.
            metadata: gives unit and precision of values.
            clock: what time it is.
            grace_s: a PV that was there is UNDEFINED when gone for so long; also how long a record may be undefined.
            connect_timeout_s: one that never was, so long after the start.
        """
        self._names: tuple[str, ...] = tuple(names)
        self._metadata = metadata
        self._clock = clock
        self._grace_s = grace_s
        self._deadline: dict[str, tuple[float, AlarmState | None]] = dict.fromkeys(
            names, (clock.monotonic() + connect_timeout_s, None)
        )
        self.disconnected = set(names)
        """PVs that are not there now, reported or not."""

    def read(self, batch: Batch) -> Iterator[Report]:
        """What the PVs report in a batch, in order."""
        events = batch.events
        columns = zip(
            events["pv"].tolist(),
            events["kind"].tolist(),
            events["severity"].tolist(),
            events["status"].tolist(),
            events["time_ns"].tolist(),
            events["received_ns"].tolist(),
            strict=True,
        )
        for index, (place, kind, severity, status, time_ns, received_ns) in enumerate(columns):
            pv = self._names[int(place)]
            if kind == Kind.DISCONNECTED:
                self.disconnected.add(pv)
                self._deadline[pv] = (self._clock.monotonic() + self._grace_s, None)
            elif kind == Kind.CONNECTED:
                self.disconnected.discard(pv)
            else:
                text = value_text(batch.data(index), Kind(kind), self._metadata.get(pv))
                level = from_severity(Severity(min(severity, Severity.INVALID)))
                message = _message(severity, status)
                if time_ns == EPICS_EPOCH_S * NS:  # what a record has for a time stamp before it is processed
                    message, time_ns = NEVER_PROCESSED if status == Status.UDF else message, received_ns
                state = AlarmState(level, message, text, time_ns)
                if level is Level.INVALID and status == Status.UDF:
                    self._deadline[pv] = (self._clock.monotonic() + self._grace_s, state)
                else:
                    self._deadline.pop(pv, None)
                    yield pv, state

    def overdue(self) -> Iterator[Report]:
        """The PVs that have been gone, or without a value, for too long, each once."""
        now, now_ns = self._clock.monotonic(), self._clock.time_ns()
        for pv in [pv for pv, (deadline, _) in self._deadline.items() if deadline <= now]:
            _, state = self._deadline.pop(pv)
            yield pv, state or AlarmState(Level.UNDEFINED, DISCONNECTED, "", now_ns)


def _message(severity: int, status: int) -> str:
    if severity == Severity.NO_ALARM:
        return Level.OK.name
    return _STATUS_NAMES.get(status, f"STATUS {status}")
