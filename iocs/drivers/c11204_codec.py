"""Commands and replies of the Hamamatsu C11204-01/-02: text of a frame in, values out, no input or output.

A request has upper-case letters, its reply the same in lower case, or ``hxx`` and a four-digit error. Parameters are four
hex digits per 16-bit word; ``HCM`` takes one digit. Source: C11204-02 command reference; commands marked -02 are unknown to
a -01, which refuses them with error 5.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, IntFlag, StrEnum

from iocs.drivers import c11204_units as units
from iocs.drivers.c11204_frame import encode_frame
from iocs.drivers.c11204_units import Variant
from sipmdcs.errors import DeviceRefused, WireError

ERROR_LETTERS = "hxx"


class Command(StrEnum):
    """Every command of the module."""

    MONITOR = "HPO"
    STATUS = "HGS"
    VOLTAGE = "HGV"
    CURRENT = "HGC"
    TEMPERATURE = "HGT"
    ON = "HON"
    OFF = "HOF"
    RESET = "HRE"
    SET_VOLTAGE = "HBV"
    """Reference voltage until power-off or reset."""
    SET_COMPENSATION = "HST"
    """Writes non-volatile memory: never in a loop, and the module is busy for a second."""
    GET_COMPENSATION = "HRT"
    SWITCH_COMPENSATION = "HCM"
    SET_FUNCTION = "HSC"
    """-02 only."""
    GET_FUNCTION = "HRC"
    """-02 only."""
    IDENTITY = "HFI"
    """-02 only."""
    SERIAL = "HGN"
    """-02 only."""


REQUEST_DIGITS: dict[Command, int] = dict.fromkeys(Command, 0) | {
    Command.SET_VOLTAGE: 4,
    Command.SET_COMPENSATION: 24,
    Command.SWITCH_COMPENSATION: 1,
    Command.SET_FUNCTION: 4,
}
"""Parameter characters of each request."""

REPLY_CHARACTERS: dict[Command, int] = dict.fromkeys(Command, 0) | {
    Command.MONITOR: 20,
    Command.STATUS: 4,
    Command.VOLTAGE: 4,
    Command.CURRENT: 4,
    Command.TEMPERATURE: 4,
    Command.GET_COMPENSATION: 24,
    Command.GET_FUNCTION: 4,
    Command.IDENTITY: 43,
    Command.SERIAL: 16,
}
"""Data characters of each reply."""


class Status(IntFlag):
    """Bits of the status word; 5, 7 to 9, 13 and 15 are unused."""

    ON = 1 << 0
    OVER_CURRENT = 1 << 1
    """Over-current protection is acting."""
    CURRENT_OUT = 1 << 2
    """Current outside its specification of 2 mA."""
    SENSOR_OK = 1 << 3
    """Temperature sensor plugged and between -30 and 100 °C."""
    TEMPERATURE_OUT = 1 << 4
    """Outside -20 to 60 °C."""
    COMPENSATION = 1 << 6
    """Temperature compensation is effective."""
    RESTORING = 1 << 10
    """-02: automatic restoration is acting."""
    SUPPRESSED = 1 << 11
    """-02: voltage is rising again after over-current."""
    MOVING = 1 << 12
    """-02: output voltage control in progress."""
    STABLE = 1 << 14
    """-02: output voltage is stable."""


class Function(IntFlag):
    """Bits of the power-supply function word (-02)."""

    OUTPUT_CONTROL = 1 << 0
    """Output voltage control: the module does not switch on at power-up."""
    AUTO_RESTORE = 1 << 1
    """After over-current come back instead of staying off."""


class ErrorCode(IntEnum):
    """What ``hxx`` says."""

    UART = 1
    TIMEOUT = 2
    SYNTAX = 3
    CHECKSUM = 4
    COMMAND = 5
    HEX = 6
    SIZE = 7


ERROR_TEXT = {
    ErrorCode.UART: "UART error",
    ErrorCode.TIMEOUT: "CR not within 1 s of STX",
    ErrorCode.SYNTAX: "syntax error",
    ErrorCode.CHECKSUM: "checksum error",
    ErrorCode.COMMAND: "unknown command",
    ErrorCode.HEX: "parameter is not hexadecimal",
    ErrorCode.SIZE: "parameter of wrong size",
}


@dataclass(frozen=True, slots=True)
class Monitor:
    """Reply to ``HPO``."""

    status: Status
    set_V: float | None
    """Output voltage setting, compensation included; a -02 keeps this word reserved."""
    vmon_V: float
    current_mA: float
    temperature_C: float


@dataclass(frozen=True, slots=True)
class Compensation:
    """Temperature correction: Vo = (dT'·(T-Tb)² + dT·(T-Tb))/1000 + Vb, coefficients by the sign of T-Tb."""

    quad_above: float
    """mV/K², above ``reference_C``."""
    quad_below: float
    lin_above: float
    """mV/K, above ``reference_C``."""
    lin_below: float
    reference_V: float
    reference_C: float

    def shift(self, temperature_C: float) -> float:
        """Volts the module adds to the reference voltage at this temperature."""
        dt = temperature_C - self.reference_C
        quad, lin = (self.quad_above, self.lin_above) if dt > 0 else (self.quad_below, self.lin_below)
        return (quad * dt * dt + lin * dt) / 1000


@dataclass(frozen=True, slots=True)
class Identity:
    """Reply to ``HFI``."""

    device: str
    version: str
    built: str


def encode_request(command: Command, *words: int) -> bytes:
    """The frame of a request.

    Raises:
        ValueError: number or size of the words does not fit the command.
    """
    digits = REQUEST_DIGITS[command]
    width = min(digits, 4)
    if len(words) * width != digits or any(not 0 <= word < 16**width for word in words):
        raise ValueError(f"{command} takes {digits} hex digits, not {words}")
    return encode_frame(command + "".join(f"{word:0{width}X}" for word in words))


def set_voltage(value_V: float) -> bytes:
    """Request that sets the temporary reference voltage."""
    return encode_request(Command.SET_VOLTAGE, units.raw_volts(value_V))


def set_compensation(comp: Compensation) -> bytes:
    """Request that stores a temperature correction in non-volatile memory."""
    return encode_request(Command.SET_COMPENSATION, *compensation_words(comp))


def compensation_words(comp: Compensation) -> tuple[int, ...]:
    """The six words of a correction, in the order on the wire."""
    return (
        units.raw_quadratic(comp.quad_above),
        units.raw_quadratic(comp.quad_below),
        units.raw_linear(comp.lin_above),
        units.raw_linear(comp.lin_below),
        units.raw_volts(comp.reference_V),
        units.raw_celsius(comp.reference_C),
    )


def reply_data(command: Command, text: str) -> str:
    """Data of the reply to ``command``.

    Raises:
        DeviceRefused: the module answered with an error.
        WireError: this is no reply to that command.
    """
    letters, data = text[:3], text[3:]
    if letters == ERROR_LETTERS:
        raise DeviceRefused(f"{command}: {_error_text(data)}")
    if letters != command.lower():
        raise WireError(f"{command} answered by {letters}")
    if len(data) != REPLY_CHARACTERS[command]:
        raise WireError(f"{command} reply has {len(data)} characters")
    return data


def _error_text(data: str) -> str:
    try:
        code = ErrorCode(int(data, 16))
    except ValueError:
        return f"error {data}"
    return f"error {data} {ERROR_TEXT[code]}"


def reply_words(command: Command, text: str) -> tuple[int, ...]:
    """The 16-bit words of the reply to ``command``; errors as ``reply_data``."""
    data = reply_data(command, text)
    try:
        return tuple(int(data[i : i + 4], 16) for i in range(0, len(data), 4))
    except ValueError as err:
        raise WireError(f"{command} reply is not hex") from err


def decode_monitor(text: str, variant: Variant) -> Monitor:
    """Reply to ``HPO``; errors as ``reply_data``."""
    status, setting, vmon, current, temperature = reply_words(Command.MONITOR, text)
    return Monitor(
        Status(status),
        units.volts(setting) if variant is Variant.C11204_01 else None,
        units.volts(vmon),
        units.milliampere(current, variant),
        units.celsius(temperature),
    )


def decode_compensation(text: str) -> Compensation:
    """Reply to ``HRT``; errors as ``reply_data``."""
    quad_above, quad_below, lin_above, lin_below, voltage, temperature = reply_words(Command.GET_COMPENSATION, text)
    return Compensation(
        units.quadratic(quad_above),
        units.quadratic(quad_below),
        units.linear(lin_above),
        units.linear(lin_below),
        units.volts(voltage),
        units.celsius(temperature),
    )


def decode_identity(text: str) -> Identity:
    """Reply to ``HFI``; errors as ``reply_data``."""
    data = reply_data(Command.IDENTITY, text)
    return Identity(data[:16].strip(), data[16:32].strip(), data[32:].strip())
