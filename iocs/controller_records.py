"""The records of one controller by device address, and the setpoints in them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from iocs.drivers.driver import Traits
from iocs.fsm import Settings
from iocs.ramp import Rates
from sipmdcs.epicsdb import Record
from sipmdcs.errors import BadInput
from sipmdcs.publisher import Publisher, Value
from sipmdcs.pvinfo import device_address
from sipmdcs.severity import Severity, Status

Address = tuple[int, str]
"""Channel (0 is the controller) and parameter."""

CONTROLLER = 0

_SETTINGS = (
    "BIAS",
    "CURRENT_LIMIT",
    "RAMP_UP",
    "RAMP_DOWN",
    "VBR",
    "VBR_TREF",
    "VBR_TCOEF",
    "MASK",
)
_OPTIONAL = ("OVERVOLTAGE_LIMIT",)
"""Further settings, 0 without record."""


@dataclass(frozen=True)
class ControllerRecords:
    """Names of the records bound to one controller."""

    names: Mapping[Address, str]
    outputs: frozenset[Address]
    """Those that clients write."""
    channels: tuple[int, ...]
    """Channel addresses, ascending."""

    def readbacks(self, channel: int) -> list[str]:
        """Records of a channel, or of the controller itself, that show what the device says."""
        return [name for address, name in self.names.items() if address[0] == channel and address not in self.outputs]


def records_of(controller: str, records: Iterable[Record]) -> ControllerRecords:
    """The records whose device address has ``controller`` as its port.

    Raises:
        BadInput: two records claim one parameter, or a channel lacks a setpoint that the loop needs.
    """
    names: dict[Address, str] = {}
    outputs: set[Address] = set()
    for record in records:
        where = device_address(record)
        if where is None or where.port != controller:
            continue
        address = (where.address, where.parameter)
        if address in names:
            raise record.bad("", f"parameter {where.parameter} of {controller} is already bound to {names[address]}")
        names[address] = record.name
        if "OUT" in record.fields:
            outputs.add(address)
    channels = tuple(sorted({address for address, _ in names if address != CONTROLLER}))
    for channel in channels:
        for parameter in _SETTINGS:
            if (channel, parameter) not in outputs:
                raise BadInput(f"{controller} channel {channel}: no record is bound to {parameter} as an output")
    return ControllerRecords(names, frozenset(outputs), channels)


class SetPoints:
    """Present values of the setpoints of one controller."""

    def __init__(self, records: ControllerRecords, publisher: Publisher) -> None:
        self.records = records
        self._publisher = publisher
        parameters = (*_SETTINGS, *_OPTIONAL)
        self._width = len(parameters)
        addresses = [(channel, parameter) for channel in records.channels for parameter in parameters]
        self._present = publisher.bind(records.names.get(address) for address in addresses)
        self._bias = publisher.bind(records.names[channel, "BIAS"] for channel in records.channels)
        self._known: tuple[Any, ...] = ()
        """What ``_settings`` was made from."""
        self._settings: dict[int, Settings] = {}

    def __call__(self, channel: int, parameter: str) -> Value:
        """Present value; 0 for a parameter without record."""
        name = self.records.names.get((channel, parameter))
        return 0 if name is None else self._publisher.value(name)

    def number(self, channel: int, parameter: str) -> float:
        """As above, of a numeric record."""
        value: Any = self(channel, parameter)
        return float(value)

    def settings(self, traits: Traits, device_rate: float | None) -> Mapping[int, Settings]:
        """All that the state machine needs to know, by channel."""
        interlock = bool(self(CONTROLLER, "INTERLOCK"))
        present: list[Any] = self._present.values()
        alarms = self._bias.alarms()
        known = (present, alarms, traits, device_rate, interlock)
        if known == self._known:
            return self._settings
        self._known = known
        rows = [present[start : start + self._width] for start in range(0, len(present), self._width)]
        self._settings = {
            channel: Settings(
                bias_V=bias,
                current_limit_uA=limit,
                rates=Rates(up, down, device_rate),
                traits=traits,
                vbr_V=vbr,
                vbr_reference_C=reference,
                vbr_slope=slope,
                overvoltage_limit_V=float(overvoltage),
                interlock=interlock,
                masked=bool(mask),
                refused=alarm == (Severity.INVALID, Status.WRITE),
            )
            for channel, (bias, limit, up, down, vbr, reference, slope, mask, overvoltage), alarm in zip(
                self.records.channels, rows, alarms, strict=True
            )
        }
        return self._settings

    def undefined(self) -> list[Address]:
        """Setpoints that never had a value: neither restored, nor written, nor given here."""
        udf = (Severity.INVALID, Status.UDF)
        return [address for address in self.records.outputs if self._publisher.alarm(self.records.names[address]) == udf]
