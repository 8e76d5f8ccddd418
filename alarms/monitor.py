"""From captured events to what each PV reports: value with severity, or that it is gone.

A PV that vanishes is UNDEFINED only after a grace time, and so is the alarm that a record has because it was never processed,
so that a restarted IOC or a gateway's hiccup alarms nobody. A PV that has just connected waits a moment, the others do not,
until its unit and labels are known and whether its channel is masked.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from math import inf

import numpy as np
from numpy.typing import NDArray

from alarms.coalesce import beginnings, few_of, worth_reading
from alarms.level import Level, from_severity
from alarms.state import DISCONNECTED, AlarmState
from alarms.values import MetadataCache, value_text
from sipmdcs.channels import EVENT, Batch, Kind, PvData, PvMetadata, PvValue
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


_Value = tuple[PvData, Kind, AlarmState]
"""What a PV reported, with its state as far as that is known without metadata."""

_KINDS = tuple(Kind)
_METADATA, _CONNECTED, _DISCONNECTED = Kind.METADATA, Kind.CONNECTED, Kind.DISCONNECTED
_UNPROCESSED_NS = EPICS_EPOCH_S * NS
"""What a record has for a time stamp before it is processed."""


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
        self._next_due = clock.monotonic() + connect_timeout_s
        self._deadline: dict[str, tuple[float, AlarmState | None]] = dict.fromkeys(names, (self._next_due, None))
        self._settling: dict[str, float] = {}
        """Until when the values of PVs that have just connected may wait, monotonic seconds."""
        self._held: dict[str, list[_Value]] = {}
        """Values that wait."""
        self._known: set[str] = set()
        self._bare: dict[str, _Value] = {}
        """Last values of PVs that were reported without their metadata."""
        self.disconnected = set(names)
        """PVs that are not there now, reported or not."""

    def read(self, batch: Batch) -> Iterator[Report]:
        """What the PVs report in a batch, in order."""
        payloads, names = batch.payloads, self._names
        few = batch.events[worth_reading(batch.events, self._most)]
        columns = (column.tolist() for column in self._begin(few, payloads))
        for time_ns, received_ns, number, place, payload, status, severity, code in zip(*columns, strict=True):
            pv, kind = names[place], _KINDS[code]
            data = payloads[payload - 1] if payload else number
            if kind is _DISCONNECTED:
                self._gone(pv)
            elif kind is _CONNECTED:
                self._connected((pv,))
            elif kind is _METADATA:
                if isinstance(data, PvMetadata):
                    self._metadata.keep({pv: data})
                self._known.add(pv)
                if pv in self._bare:
                    yield pv, self._worded(pv, *self._bare.pop(pv))
            elif (state := self._value(pv, data, kind, severity, status, time_ns, received_ns)) is not None:
                yield pv, state

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
                if pv in self.disconnected:
                    self._connected((pv,))
                if self._metadata.get(pv) is not None:
                    self._known.add(pv)
                state = self._value(pv, data, kind, value.severity, value.status, value.time_ns, now_ns)
                if state is not None:
                    yield pv, state

    def unknown(self, pvs: Iterable[str]) -> list[str]:
        """Those of which nobody heard what they are since they connected."""
        return [pv for pv in pvs if pv not in self._known]

    def settled(self) -> Iterator[Report]:
        """What PVs reported that now need not wait any more."""
        for pv in [pv for pv in self._held if self._is_settled(pv)]:
            values = self._held.pop(pv)
            states = [self._worded(pv, *value) for value in values]
            if pv not in self._known:
                self._bare[pv] = values[-1]
            yield from ((pv, state) for state in few_of(states, self._most, lambda state: state))

    def overdue(self) -> Iterator[Report]:
        """The PVs that have been gone, or without a value, for too long, each once."""
        now, now_ns = self._clock.monotonic(), self._clock.time_ns()
        if now < self._next_due:
            return
        for pv in [pv for pv, (deadline, _) in self._deadline.items() if deadline <= now]:
            _, state = self._deadline.pop(pv)
            yield pv, state or AlarmState(Level.UNDEFINED, DISCONNECTED, "", now_ns)
        self._next_due = min((deadline for deadline, _ in self._deadline.values()), default=inf)

    def _expect(self, pv: str, state: AlarmState | None) -> None:
        """Unless something else comes within the grace time, the PV is in this state then, or gone."""
        deadline = self._clock.monotonic() + self._grace_s
        self._deadline[pv] = (deadline, state)
        self._next_due = min(self._next_due, deadline)

    def _is_settled(self, pv: str) -> bool:
        """Whether the values of a PV need not wait; once they need not they never will until it connects anew."""
        until = self._settling.get(pv)
        if until is None:
            return True
        if (pv not in self._known or self._mask_unheard(pv)) and self._clock.monotonic() < until:
            return False
        del self._settling[pv]
        return True

    def _begin(self, events: NDArray[np.void], payloads: Sequence[PvData | PvMetadata]) -> Iterator[NDArray[np.generic]]:
        """Take what PVs begin with when they connect, of thousands at once.

        Returns:
            The columns of all other events.
        """
        connected, told = beginnings(events)
        names = self._names
        self._connected([names[place] for place in events["pv"][connected].tolist()])
        places, numbers = events["pv"][told].tolist(), events["payload"][told].tolist()
        said = {names[place]: payloads[number - 1] for place, number in zip(places, numbers, strict=True)}
        self._metadata.keep({pv: metadata for pv, metadata in said.items() if isinstance(metadata, PvMetadata)})
        self._known.update(said)
        others = events[~(connected | told)]
        return (others[name] for name in EVENT.names or ())

    def _connected(self, pvs: Collection[str]) -> None:
        self.disconnected.difference_update(pvs)
        self._known.difference_update(pvs)  # a server that was restarted may have other units and labels
        for waiting in filter(None, (self._bare, self._held)):
            for pv in pvs:
                waiting.pop(pv, None)
        self._settling.update(dict.fromkeys(pvs, self._clock.monotonic() + SETTLING_S))

    def _gone(self, pv: str) -> None:
        self.disconnected.add(pv)
        self._settling.pop(pv, None)
        self._held.pop(pv, None)
        self._expect(pv, None)

    def _value(
        self, pv: str, data: PvData, kind: Kind, severity: int, status: int, time_ns: int, received_ns: int
    ) -> AlarmState | None:
        """What the PV reports with this, ``None`` if that has to wait."""
        if pv in self.disconnected:
            self._connected((pv,))
        level, message = _reason(severity, status)
        if time_ns == _UNPROCESSED_NS:
            message, time_ns = NEVER_PROCESSED if status == Status.UDF else message, received_ns
        state = AlarmState(level, message, "", time_ns)
        if level is Level.INVALID and status == Status.UDF:
            self._expect(pv, self._worded(pv, data, kind, state))
            return None
        self._deadline.pop(pv, None)
        if (pv in self._settling or pv in self._held) and (pv in self._held or not self._is_settled(pv)):
            held = self._held.setdefault(pv, [])
            held.append((data, kind, state))
            if len(held) > 2 * self._most:
                self._held[pv] = few_of(held, self._most, lambda value: value[2])
            return None
        if pv not in self._known:
            self._bare[pv] = (data, kind, state)
        return self._worded(pv, data, kind, state)

    def _worded(self, pv: str, data: PvData, kind: Kind, state: AlarmState) -> AlarmState:
        # Not by _replace, which takes three times as long: this is done for every report.
        return AlarmState(state.level, state.message, value_text(data, kind, self._metadata.get(pv)), state.time_ns)


@lru_cache(256)  # many reports, few reasons
def _reason(severity: int, status: int) -> tuple[Level, str]:
    level = from_severity(Severity(min(severity, Severity.INVALID)))
    if severity == Severity.NO_ALARM:
        return level, Level.OK.name
    return level, _STATUS_NAMES.get(status, f"STATUS {status}")
