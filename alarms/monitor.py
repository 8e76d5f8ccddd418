"""From captured events to what each PV reports: value with severity, or that it is gone.

A PV that vanishes is UNDEFINED only after a grace time, and so is the alarm that a record has because it was never processed,
so that a restarted IOC or a gateway's hiccup alarms nobody. A PV that has just connected waits a moment, the others do not,
until its unit and labels are known and whether its channel is masked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from alarms.coalesce import few_of, worth_reading
from alarms.level import Level, from_severity
from alarms.state import DISCONNECTED, AlarmState
from alarms.values import MetadataCache, value_text
from sipmdcs.channels import Batch, Kind, PvData, PvValue
from sipmdcs.clock import EPICS_EPOCH_S, NS, Clock
from sipmdcs.errors import ChannelError
from sipmdcs.severity import Severity, Status

_STATUS_NAMES = {int(status): status.name for status in Status}

NEVER_PROCESSED = "never processed"
"""Message of a record that has no value yet."""

SETTLING_S = 2.0
"""A PV that has just connected waits at most so long for its metadata and its mask."""

Report = tuple[str, AlarmState]
"""PV name and what it reports."""


@dataclass
class _Settling:
    """A PV that has just connected."""

    until: float
    """No longer than this, monotonic seconds."""
    values: list[tuple[PvData, Kind, AlarmState]] = field(default_factory=list)
    """What it reported since, each with its state as far as that is known without metadata."""


class Monitor:
    """Connections and values of all PVs of the tree."""

    def __init__(
        self,
        names: Sequence[str],
        metadata: MetadataCache,
        clock: Clock,
        *,
        grace_s: float,
        connect_timeout_s: float,
        most: int = 8,
        mask_unheard: Callable[[str], bool] = lambda _: False,
    ) -> None:
        """Watch ``names``, in the order in which the capture has them.

        Args:
            names: PVs.
            metadata: gives unit and precision of values.
            clock: what time it is.
            grace_s: a PV that was there is UNDEFINED when gone for so long; also how long a record may be undefined.
            connect_timeout_s: one that never was, so long after the start.
            most: events of one PV that are read of one batch.
            mask_unheard: whether nobody knows yet if a PV is masked.
        """
        self._names: tuple[str, ...] = tuple(names)
        self._metadata = metadata
        self._clock = clock
        self._grace_s = grace_s
        self._most = most
        self._mask_unheard = mask_unheard
        self._deadline: dict[str, tuple[float, AlarmState | None]] = dict.fromkeys(
            names, (clock.monotonic() + connect_timeout_s, None)
        )
        self._settling: dict[str, _Settling] = {}
        self._wanted: dict[str, None] = {}
        self._known: set[str] = set()
        self._bare: dict[str, tuple[PvData, Kind, AlarmState]] = {}
        self.disconnected = set(names)
        """PVs that are not there now, reported or not."""

    def read(self, batch: Batch) -> Iterator[Report]:
        """What the PVs report in a batch, in order."""
        events = batch.events
        chosen = worth_reading(events, self._most)
        few = events[chosen]
        columns = (few[name].tolist() for name in ("pv", "kind", "severity", "status", "time_ns", "received_ns"))
        for index, place, kind, severity, status, time_ns, received_ns in zip(chosen.tolist(), *columns, strict=True):
            pv = self._names[place]
            if kind == Kind.DISCONNECTED:
                self._gone(pv)
            elif kind == Kind.CONNECTED:
                self._connected(pv)
            else:
                yield from self._value(pv, batch.data(index), Kind(kind), severity, status, time_ns, received_ns)

    def reread(self, connected: Iterable[bool], values: Mapping[str, PvValue | ChannelError]) -> Iterator[Report]:
        """What the PVs report now, after events were lost: whether each is connected, and the values that were asked for."""
        now_ns = self._clock.time_ns()
        for pv, there in zip(self._names, connected, strict=True):
            value = values.get(pv)
            if not there and pv not in self.disconnected:
                self._gone(pv)
            elif isinstance(value, PvValue):
                data = value.value
                kind = Kind.TEXT if isinstance(data, str) else Kind.SCALAR if isinstance(data, int | float) else Kind.ARRAY
                yield from self._value(pv, data, kind, value.severity, value.status, value.time_ns, now_ns)

    def wanted(self, most: int) -> list[str]:
        """At most so many PVs that have connected and whose metadata nobody has asked for since."""
        names = [name for name, _ in zip(self._wanted, range(most), strict=False)]
        for name in names:
            del self._wanted[name]
        return names

    def know(self, pvs: Iterable[str]) -> Iterator[Report]:
        """The metadata of these PVs were asked for: what they reported meanwhile, and what was reported without."""
        for pv in pvs:
            self._known.add(pv)
            if pv not in self._settling and pv in self._bare:
                yield pv, self._worded(pv, *self._bare.pop(pv))

    def settled(self) -> Iterator[Report]:
        """What PVs reported that now need not wait any more."""
        now = self._clock.monotonic()
        for pv, settling in list(self._settling.items()):
            known = pv in self._known and not self._mask_unheard(pv)
            if settling.values and (known or settling.until <= now):
                del self._settling[pv]
                states = [self._worded(pv, *value) for value in settling.values]
                if pv not in self._known:
                    self._bare[pv] = settling.values[-1]
                yield from ((pv, state) for state in few_of(states, self._most, lambda state: state))

    def overdue(self) -> Iterator[Report]:
        """The PVs that have been gone, or without a value, for too long, each once."""
        now, now_ns = self._clock.monotonic(), self._clock.time_ns()
        for pv in [pv for pv, (deadline, _) in self._deadline.items() if deadline <= now]:
            _, state = self._deadline.pop(pv)
            yield pv, state or AlarmState(Level.UNDEFINED, DISCONNECTED, "", now_ns)

    def _connected(self, pv: str) -> None:
        self.disconnected.discard(pv)
        self._known.discard(pv)  # a server that was restarted may have other units and labels
        self._bare.pop(pv, None)
        self._wanted[pv] = None
        self._settling[pv] = _Settling(self._clock.monotonic() + SETTLING_S)

    def _gone(self, pv: str) -> None:
        self.disconnected.add(pv)
        self._settling.pop(pv, None)
        self._deadline[pv] = (self._clock.monotonic() + self._grace_s, None)

    def _value(
        self, pv: str, data: PvData, kind: Kind, severity: int, status: int, time_ns: int, received_ns: int
    ) -> Iterator[Report]:
        if pv in self.disconnected:
            self._connected(pv)
        level = from_severity(Severity(min(severity, Severity.INVALID)))
        message = _message(severity, status)
        if time_ns == EPICS_EPOCH_S * NS:  # what a record has for a time stamp before it is processed
            message, time_ns = NEVER_PROCESSED if status == Status.UDF else message, received_ns
        state = AlarmState(level, message, "", time_ns)
        if level is Level.INVALID and status == Status.UDF:
            worded = self._worded(pv, data, kind, state)
            self._deadline[pv] = (self._clock.monotonic() + self._grace_s, worded)
            return
        self._deadline.pop(pv, None)
        if (settling := self._settling.get(pv)) is not None:
            settling.values.append((data, kind, state))
            if len(settling.values) > 2 * self._most:
                settling.values = few_of(settling.values, self._most, lambda value: value[2])
        else:
            if pv not in self._known:
                self._bare[pv] = (data, kind, state)
            yield pv, self._worded(pv, data, kind, state)

    def _worded(self, pv: str, data: PvData, kind: Kind, state: AlarmState) -> AlarmState:
        text = value_text(data, kind, self._metadata.get(pv))
        return AlarmState(state.level, state.message, text, state.time_ns)


def _message(severity: int, status: int) -> str:
    if severity == Severity.NO_ALARM:
        return Level.OK.name
    return _STATUS_NAMES.get(status, f"STATUS {status}")
