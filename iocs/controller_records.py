"""The records of one controller by device address, and the set-points in them."""

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
        BadInput: two records claim one parameter, or a channel lacks a set-point that the loop needs.
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
    """Present values of the set-points of one controller."""

    def __init__(self, records: ControllerRecords, publisher: Publisher) -> None:
        self.records = records
        self._publisher = publisher
        self._rows = {
            channel: tuple(records.names[channel, parameter] for parameter in _SETTINGS) for channel in records.channels
        }

    def __call__(self, channel: int, parameter: str) -> Value:
        """Present value; 0 for a parameter without record."""
        name = self.records.names.get((channel, parameter))
        return 0 if name is None else self._publisher.value(name)

    def number(self, channel: int, parameter: str) -> float:
        """As above, of a numeric record."""
        value: Any = self(channel, parameter)
        return float(value)

    def settings(self, channel: int, traits: Traits, device_rate: float | None, *, interlock: bool) -> Settings:
        """All that the state machine needs to know of a channel."""
        values: list[Any] = [self._publisher.value(name) for name in self._rows[channel]]
        bias, limit, up, down, vbr, reference, slope, mask = values
        return Settings(
            bias_V=bias,
            current_limit_uA=limit,
            rates=Rates(up, down, device_rate),
            traits=traits,
            vbr_V=vbr,
            vbr_reference_C=reference,
            vbr_slope=slope,
            overvoltage_limit_V=self.number(channel, "OVERVOLTAGE_LIMIT"),
            interlock=interlock,
            masked=bool(mask),
            refused=self._publisher.alarm(self._rows[channel][0]) == (Severity.INVALID, Status.WRITE),
        )

    def undefined(self) -> list[Address]:
        """Set-points that never had a value: neither restored, nor written, nor given here."""
        udf = (Severity.INVALID, Status.UDF)
        return [address for address in self.records.outputs if self._publisher.alarm(self.records.names[address]) == udf]
