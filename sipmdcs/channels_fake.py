"""A Channel Access world in memory, with the interface of the real client: for tests without a network.

    pvs = FakeChannels()
    pvs.add("HV:BIAS", 54.0, units="V")
    pvs.add("HV:BIAS_RBV", 0.0)
    pvs.on_put("HV:BIAS", lambda value: pvs.set("HV:BIAS_RBV", value))
    pvs.refuse("HV:BIAS", "no write access")
    pvs.disconnect("HV:BIAS_RBV")

Nothing here waits: a PV whose delay exceeds the time-out of a call times out at once, any other answers at once.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np

from sipmdcs.channels import Mask, PvData, PvMetadata, PvType, PvValue, Scalar
from sipmdcs.channels_ca_dbr import encode
from sipmdcs.channels_fake_capture import FakeCapture
from sipmdcs.clock import Clock, SystemClock
from sipmdcs.errors import ChannelError, ChannelTimeout, DeviceError, NotConnected, PutRefused, WireError
from sipmdcs.severity import Severity, Status

T = TypeVar("T")


class _Pv:
    def __init__(self, reading: PvValue, metadata: PvMetadata) -> None:
        self.reading = reading
        self.metadata = metadata
        self.connected = True
        self.refusal: str | None = None
        self.takes_no_puts = False
        self.delay_s = 0.0
        self.message = ""
        self.on_put: Callable[[PvData], None] | None = None


class FakeChannels:
    """See ``channels.Channels``; what the PVs do is told by the other methods.

    Args:
        clock: gives the time stamps.
    """

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._pvs: dict[str, _Pv] = {}
        self._captures: list[FakeCapture] = []
        self._lock = threading.RLock()
        self.puts: list[tuple[str, PvData]] = []
        """Every put that was carried out, in order."""

    # -- what happens in the world --------------------------------------------------------------------------------------

    def add(self, name: str, value: PvData, *, type_: PvType | None = None, **metadata: Any) -> None:
        """Bring a PV into being, connected.

        Args:
            name: of the PV.
            value: its first value; decides on type and number of elements unless they are given.
            type_: native type; an enumeration if ``labels`` are given.
            metadata: fields of ``PvMetadata``.
        """
        type_ = type_ if type_ is not None else PvType.ENUM if "labels" in metadata else _type_of(value)
        count = metadata.pop("count", len(value) if isinstance(value, list | np.ndarray) else 1)
        with self._lock:
            reading = PvValue(value, Severity.NO_ALARM, Status.NO_ALARM, self._clock.time_ns())
            self._pvs[name] = _Pv(reading, PvMetadata(type_, count, **metadata))
            self.connect(name)

    def set(
        self,
        name: str,
        value: PvData | None = None,
        *,
        severity: Severity = Severity.NO_ALARM,
        status: Status | None = None,
        message: str = "",
        time_ns: int | None = None,
    ) -> None:
        """Let a PV have a new value, as its server would; ``None`` keeps the value. ``message`` is its ``AMSG``."""
        if status is None:
            status = Status.NO_ALARM if severity is Severity.NO_ALARM else Status.STATE
        with self._lock:
            pv = self._pvs[name]
            value = pv.reading.value if value is None else value
            pv.message = message[:39]
            pv.reading = PvValue(value, severity, status, self._clock.time_ns() if time_ns is None else time_ns)
            if pv.connected:
                self._post(name, pv.reading)

    def value(self, name: str) -> PvData:
        """What a PV holds now, connected or not."""
        return self._pvs[name].reading.value

    def connect(self, name: str) -> None:
        """Let a PV be found."""
        with self._lock:
            pv = self._pvs[name]
            pv.connected = True
            for capture in self._captures:
                capture.connection(name, self._clock.time_ns(), pv.metadata)
            self._post(name, pv.reading)

    def disconnect(self, name: str) -> None:
        """Let a PV vanish."""
        with self._lock:
            self._pvs[name].connected = False
            for capture in self._captures:
                capture.connection(name, self._clock.time_ns(), None)

    def refuse(self, name: str, reason: str | None = "no write access") -> None:
        """Let a PV refuse puts for this reason, or take them again (``None``)."""
        self._pvs[name].refusal = reason

    def take_no_puts(self, name: str) -> None:
        """Let a server refuse puts to a PV as it does with ``DISP``: the record is not processed, and keeps its alarm."""
        self._pvs[name].takes_no_puts = True

    def delay(self, name: str, seconds: float) -> None:
        """Let a PV take this long to answer."""
        self._pvs[name].delay_s = seconds

    def on_put(self, name: str, action: Callable[[PvData], None] | None) -> None:
        """Let something happen after each put to a PV, before it completes.

        If it raises a ``DeviceError`` the put fails, and the PV shows the reason as a record of an IOC does.
        """
        self._pvs[name].on_put = action

    # -- what a client sees ---------------------------------------------------------------------------------------------

    def get(self, names: Sequence[str], *, timeout: float = 5.0) -> dict[str, PvValue | ChannelError]:
        with self._lock:
            return {name: self._answer(name, timeout, lambda pv: pv.reading) for name in names}

    def put(
        self, values: Mapping[str, PvData], *, timeout: float = 10.0, before: dict[str, PvValue] | None = None
    ) -> dict[str, ChannelError | None]:
        if before is not None:
            found = self.get(list(values), timeout=timeout)
            before |= {name: reading for name, reading in found.items() if isinstance(reading, PvValue)}
        return {name: self._put(name, value, timeout) for name, value in values.items()}

    def metadata(self, names: Sequence[str], *, timeout: float = 5.0) -> dict[str, PvMetadata | ChannelError]:
        def metadata(pv: _Pv) -> PvMetadata:
            return replace(pv.metadata, writable=pv.metadata.writable and pv.refusal is None)

        with self._lock:
            return {name: self._answer(name, timeout, metadata) for name in names}

    def capture(
        self,
        names: Sequence[str],
        *,
        mask: Mask = Mask.VALUE | Mask.ALARM,
        enum_mask: Mask = Mask.NONE,
        metadata: bool = False,
        capacity: int = 1_000_000,
    ) -> FakeCapture:
        with self._lock:
            capture = FakeCapture(names, self._clock, capacity, metadata=metadata)
            self._captures.append(capture)
            for name in dict.fromkeys(names):
                pv = self._pvs.get(name)
                if pv is not None and pv.connected:
                    capture.connection(name, self._clock.time_ns(), pv.metadata)
                    capture.reading(name, pv.reading)
        return capture

    def close(self) -> None:
        with self._lock:
            for capture in self._captures:
                capture.close()
            self._captures.clear()

    def _post(self, name: str, reading: PvValue) -> None:
        for capture in self._captures:
            capture.reading(name, reading)

    def _answer(self, name: str, timeout: float, answer: Callable[[_Pv], T]) -> T | ChannelError:
        record, _, field = name.partition(".")
        if field == "AMSG" and record in self._pvs:
            pv = _text_of(self._pvs[record])
        else:
            pv = self._pvs.get(name)
        if pv is None or not pv.connected:
            return NotConnected(name, f"not connected within {timeout:g} s")
        if pv.delay_s > timeout:
            return ChannelTimeout(name, f"no reply within {timeout:g} s")
        return answer(pv)

    def _put(self, name: str, value: PvData, timeout: float) -> ChannelError | None:
        with self._lock:
            pv = self._answer(name, timeout, lambda pv: pv)
            if isinstance(pv, ChannelError):
                return pv
            try:
                if pv.takes_no_puts:
                    return PutRefused(name, f"refused {value!r}", carried_out=True)
                if pv.refusal is not None or not pv.metadata.writable:
                    raise ValueError(pv.refusal or "no write access")
                value = _converted(value, pv.metadata)
            except ValueError as err:
                return PutRefused(name, str(err))
            self.puts.append((name, value))
            self.set(name, value)
        try:
            if pv.on_put is not None:
                pv.on_put(value)
        except DeviceError as err:
            status = Status.COMM if isinstance(err, WireError) else Status.WRITE
            self.set(name, severity=Severity.INVALID, status=status, message=str(err))
            return PutRefused(name, f"refused {value!r}", carried_out=True)
        return None


def _text_of(record: _Pv) -> _Pv:
    """The ``AMSG`` field of a record."""
    field = _Pv(replace(record.reading, value=record.message), PvMetadata(PvType.STRING, 1, writable=False))
    field.connected, field.delay_s = record.connected, record.delay_s
    return field


def _type_of(value: PvData) -> PvType:
    match value:
        case str() | list():
            return PvType.STRING
        case bool() | int():
            return PvType.LONG
        case float():
            return PvType.DOUBLE
        case array:
            return _TYPES[np.dtype(array.dtype).str[1:]]


_TYPES = {
    "i1": PvType.CHAR,
    "u1": PvType.CHAR,
    "i2": PvType.SHORT,
    "u2": PvType.LONG,
    "i4": PvType.LONG,
    "f4": PvType.FLOAT,
    "f8": PvType.DOUBLE,
}


def _converted(value: PvData, metadata: PvMetadata) -> PvData:
    """What a server makes of a put, as EPICS Base does: labels to indexes, text to numbers, numbers into their limits.

    Raises:
        ValueError: client or server would refuse.
    """
    encode(value, metadata.type)
    if isinstance(value, list | np.ndarray):
        if len(value) > metadata.count:
            raise ValueError(f"refused {len(value)} elements, expected at most {metadata.count}")
        return value
    match metadata.type:
        case PvType.STRING:
            return str(value)
        case PvType.ENUM:
            return _index(value, metadata.labels)
        case PvType.DOUBLE | PvType.FLOAT:
            return _limited(_number(value), metadata.control)
        case _:
            return int(_limited(_number(value), metadata.control))


def _index(value: Scalar, labels: tuple[str, ...]) -> int:
    index = labels.index(value) if value in labels else value
    if isinstance(index, str) or (labels and not 0 <= index < len(labels)):
        raise ValueError(f"refused {value!r}, is it one of its labels?")
    return int(index)


def _number(value: Scalar) -> float:
    try:
        return float(value)
    except ValueError:
        raise ValueError(f"refused {value!r}, expected a number") from None


def _limited(value: float, control: tuple[float, float]) -> float:
    low, high = control
    return min(max(value, low), high) if low < high else value
