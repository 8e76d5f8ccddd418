"""A controller on a scripted driver, with records from the real templates and an in-memory publisher."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

import db_templates
from iocs.controller import Controller
from iocs.controller_commands import Commands
from iocs.controller_records import ControllerRecords, SetPoints, records_of
from iocs.drivers.driver import ChannelReading, EndpointSource, Identity, Settings, Snapshot, Traits
from sipmdcs.clock import ManualClock
from sipmdcs.epicsdb import Record, load_template
from sipmdcs.errors import DeviceRefused, NotConnected
from sipmdcs.publisher import BoundRecords, Value, WriteHandler
from sipmdcs.severity import Severity, Status

TEMPLATES = Path(db_templates.__file__).parent
PREFIX = "DET:SUB:HV01"
CHANNELS = (1, 2)


class MemoryPublisher:
    """A ``Publisher`` without network: values and alarms in dictionaries."""

    def __init__(self, records: Iterable[Record]) -> None:
        self.records = {record.name: record for record in records}
        self.values: dict[str, Value] = {name: _initial(record) for name, record in self.records.items()}
        defined = (name for name, record in self.records.items() if "VAL" in record.fields)
        self.alarms: dict[str, tuple[Severity, Status]] = dict.fromkeys(self.records, (Severity.INVALID, Status.UDF))
        self.alarms |= dict.fromkeys(defined, GOOD)
        self.handlers: dict[str, WriteHandler] = {}
        self.messages: dict[str, str] = {}
        """AMSG of what was invalidated last."""
        self.posts: list[dict[str, Value]] = []
        self.posted = asyncio.Event()

    def post(
        self,
        values: Mapping[str, Value],
        *,
        time_ns: int | None = None,
        severity: Severity | None = None,
        status: Status = Status.NO_ALARM,
    ) -> None:
        for name, value in values.items():
            if name not in self.records:
                raise NotConnected(name, "is not a record of this server")
            self.values[name] = value
            self.alarms[name] = GOOD if severity is None else (severity, status)
        self.posts.append(dict(values))
        self.posted.set()

    def invalidate(self, names: Iterable[str], status: Status, message: str = "") -> None:
        for name in names:
            self.alarms[name] = (Severity.INVALID, status)
            self.messages[name] = message

    async def change(self, added: Iterable[Record], removed: Iterable[str]) -> None:
        raise NotImplementedError

    def value(self, name: str) -> Value:
        return self.values[name]

    def alarm(self, name: str) -> tuple[Severity, Status]:
        return self.alarms[name]

    def bind(self, names: Iterable[str | None]) -> BoundRecords:
        return MemoryBound(self, names)

    def on_write(self, name: str, handler: WriteHandler) -> None:
        self.handlers[name] = handler

    async def run(self) -> None:
        raise NotImplementedError

    async def put(self, name: str, value: Value) -> None:
        """What a client's put does."""
        self.values[name] = value
        self.alarms[name] = GOOD
        if name not in self.handlers:
            return
        try:
            await self.handlers[name](value)
        except DeviceRefused as err:
            self.invalidate([name], Status.WRITE, str(err))
            raise


GOOD = (Severity.NO_ALARM, Status.NO_ALARM)


class MemoryBound:
    """Some records of a ``MemoryPublisher``."""

    def __init__(self, publisher: MemoryPublisher, names: Iterable[str | None]) -> None:
        self.publisher = publisher
        self.names = list(names)

    def post(self, values: Iterable[Value | None], *, time_ns: int) -> None:
        pairs = [(name, value) for name, value in zip(self.names, values, strict=True) if name is not None]
        self.publisher.post({name: value for name, value in pairs if value is not None}, time_ns=time_ns)
        self.publisher.invalidate([name for name, value in pairs if value is None], Status.READ)

    def values(self) -> list[Value]:
        return [0 if name is None else self.publisher.value(name) for name in self.names]

    def severity(self) -> Severity:
        return max(severity for severity, _ in self.alarms())

    def alarms(self) -> list[tuple[Severity, Status]]:
        return [GOOD if name is None else self.publisher.alarm(name) for name in self.names]


def _initial(record: Record) -> Value:
    text = record.fields.get("VAL", "0")
    return text if record.type.startswith("string") else float(text)


@dataclass
class ScriptedDriver:
    """A device that obeys at once and can be made to fail."""

    endpoint: EndpointSource = dict
    settings: Settings = lambda address, parameter: 0
    traits: Traits = Traits(floor_V=0.0, max_V=82.0, tolerance_V=0.5, settle_s=2.0)  # noqa: RUF009 - frozen
    readings: dict[int, ChannelReading] = field(default_factory=dict)
    fault: Exception | None = None
    """Raised by whatever is called next, until it is taken away."""
    refusal: Exception | None = None
    """Raised by commands only."""
    refusing: dict[int, str] = field(default_factory=dict)
    """Reason of each channel whose commands are refused."""
    min_V: float = 0.0
    """Lower setpoints are refused."""
    cycled: bool = False
    calls: list[tuple[Any, ...]] = field(default_factory=list)
    flaws: list[str] = field(default_factory=list)
    opened: int = 0

    def __post_init__(self) -> None:
        self.readings = {channel: ChannelReading(False, 50.0, 0.0, 0.0, 25.0) for channel in CHANNELS}

    def _check(self) -> None:
        if self.fault is not None:
            raise self.fault

    def open(self) -> None:
        self._check()
        self.opened += 1

    def close(self) -> None:
        pass

    def identify(self) -> Identity:
        self._check()
        return Identity("MODEL-X", "S" * 50, "1.0")

    def poll(self) -> Snapshot:
        self._check()
        cycled, self.cycled = self.cycled, False
        return Snapshot(dict(self.readings), {(0, "HV_ON"): int(any(r.on for r in self.readings.values()))}, cycled)

    def _do(self, *call: Any) -> None:
        self._check()
        if self.refusal is not None:
            raise self.refusal
        channels = call[1] if len(call) > 1 and call[0] != "write" else self.refusing
        for channel in channels:
            if channel in self.refusing:
                raise DeviceRefused(self.refusing[channel])
        self.calls.append(call)

    def set_bias(self, values: Mapping[int, float]) -> None:
        for volts in values.values():
            if volts < self.min_V:
                raise DeviceRefused(f"{volts:g} V is below {self.min_V:g} V")
        self._do("bias", dict(values))
        for channel, volts in values.items():
            self.change(channel, bias_V=volts, vmon_V=volts if self.readings[channel].on else 0.0)

    def switch_on(self, values: Mapping[int, float]) -> None:
        self._do("on", dict(values))
        for channel, volts in values.items():
            self.change(channel, on=True, bias_V=volts, vmon_V=volts)

    def switch_off(self, channels: frozenset[int]) -> None:
        self._do("off", channels)
        for channel in channels:
            self.change(channel, on=False, vmon_V=0.0, current_uA=0.0)

    def all_off(self) -> None:
        self._do("all off")
        for channel in self.readings:
            self.change(channel, on=False, vmon_V=0.0, current_uA=0.0)

    def slew_rate(self) -> float | None:
        return None

    def write(self, address: int, parameter: str, value: Value) -> bool:
        self._do("write", address, parameter, value)
        return parameter == "HV_ON"

    def take_flaws(self) -> tuple[str, ...]:
        flaws, self.flaws = tuple(self.flaws), []
        return flaws

    def change(self, channel: int, **what: Any) -> None:
        self.readings[channel] = replace(self.readings[channel], **what)


class Stand:
    """A controller with everything around it."""

    def __init__(self) -> None:
        records = make_records()
        self.publisher = MemoryPublisher(records)
        self.clock = ManualClock()
        self.clock.advance(1000)
        self.driver = ScriptedDriver()
        self.bound: ControllerRecords = records_of("HV01", records)
        set_points = SetPoints(self.bound, self.publisher)
        self.driver.settings = set_points
        self.controller = Controller("HV01", self.driver, set_points, self.publisher, self.clock)
        Commands(self.controller, self.publisher)

    async def poll(self, times: int = 1) -> None:
        for _ in range(times):
            self.clock.advance(1)
            await self.controller.cycle()

    async def heartbeat(self, count: int) -> None:
        """Wait until the controller, which runs, has polled so many times."""
        async with asyncio.timeout(30):
            while self.get("HEARTBEAT") < count:
                self.publisher.posted.clear()
                await self.publisher.posted.wait()

    def put(self, pv: str, value: Value) -> Awaitable[None]:
        return self.publisher.put(f"{PREFIX}:{pv}", value)

    def get(self, pv: str) -> Any:
        return self.publisher.values[f"{PREFIX}:{pv}"]

    def alarm(self, pv: str) -> tuple[Severity, Status]:
        return self.publisher.alarms[f"{PREFIX}:{pv}"]


def make_records() -> list[Record]:
    macros = {"P": PREFIX, "PORT": "HV01", "SUB": "SUB", "NAME": "HV01", "NCH": "2", "BIAS_MIN": "0", "BIAS_MAX": "80"}
    records = load_template(TEMPLATES / "controller.template", macros) + load_template(TEMPLATES / "padme_nim.template", macros)
    for channel in CHANNELS:
        own = macros | {"R": f"CH{channel:02d}", "ADDR": str(channel)}
        records += load_template(TEMPLATES / "sipm_channel.template", own)
    return records


@pytest.fixture
def stand() -> Stand:
    return Stand()
