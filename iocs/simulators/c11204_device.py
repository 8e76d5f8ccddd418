"""A C11204 from the inside: bytes in, bytes out, time passed in. It has a packet reader of its own, as a module would.

Where the manual is silent: errors are checked in the order framing, checksum, command, size, hex; an output settles with
a time constant of 0.2 s; a reference voltage out of range is clamped; ``HRT`` reads back what ``HBV`` set.
"""

from __future__ import annotations

from dataclasses import replace

from iocs.drivers import c11204_units as units
from iocs.drivers.c11204_codec import (
    REQUEST_DIGITS,
    Command,
    Compensation,
    ErrorCode,
    Function,
    Status,
    compensation_words,
    decode_compensation,
)
from iocs.drivers.c11204_frame import CR, ETX, MAX_LENGTH, STX, checksum, encode_frame
from iocs.drivers.c11204_units import Variant
from iocs.simulators.faults import Faults, Knob, Spoilers
from iocs.simulators.output import Load, Output

TAU_S = 0.2
OVER_CURRENT_UA = 3000.0
OVER_CURRENT_S = 4.0
RESTORE_S = 2.0
CR_TIMEOUT_S = 1.0
_OUT_OF_SPEC_UA = 2000.0
_STABLE_V = 0.020
_RIPPLE_V = 0.4e-3
_LIMITS_V = {Variant.C11204_01: (50.0, 90.0), Variant.C11204_02: (40.0, 90.0)}
_ONLY_02 = frozenset({Command.SET_FUNCTION, Command.GET_FUNCTION, Command.IDENTITY, Command.SERIAL})
_SETTINGS = frozenset({
    Command.ON, Command.OFF, Command.RESET, Command.SET_VOLTAGE, Command.SET_COMPENSATION, Command.SWITCH_COMPENSATION,
    Command.SET_FUNCTION,
})  # fmt: skip

_COMMANDS = {str(command): command for command in Command}
_FULL_SCALE_UA = 300_000.0

KNOBS = frozenset(Knob) - {Knob.CARD_ERROR}


class C11204Device:
    """One module with a SiPM on its output. Its state outlives every client."""

    def __init__(self, load: Load, faults: Faults, *, serial: str, variant: Variant = Variant.C11204_02) -> None:
        self._load = load
        self._faults = faults
        self._serial = serial
        self._variant = variant
        self._stored = Compensation(0, 0, 54, 54, 55.0, 25.0)
        self._compensate = True
        self._function = Function(0)
        self._output = Output()
        self._buffer = b""
        self._started = 0.0
        self.power_up(0.0)

    def power_up(self, now: float) -> None:
        """Come up after power was off: what was set temporarily is lost, and the output is on at once."""
        self._working = self._stored
        self._on = not self._function & Function.OUTPUT_CONTROL
        self._output = Output(0.0, now)
        self._over_since: float | None = None
        self._shut_at: float | None = None
        self._is_recovering = False
        self._buffer = b""

    def receive(self, data: bytes, now: float) -> list[bytes]:
        """Replies to what came in on the line; a packet ends with CR."""
        replies: list[bytes] = []
        if late := self.expire(now):
            replies.append(late)
        for byte in data:
            if not self._buffer:
                self._started = now
            self._buffer += bytes((byte,))
            if byte == CR or len(self._buffer) > MAX_LENGTH:
                packet, self._buffer = self._buffer, b""
                replies.append(encode_frame(self._answer(packet, now)))
        return replies

    def expire(self, now: float) -> bytes | None:
        """The complaint about a packet whose CR is overdue, if one is."""
        if not self._buffer or now - self._started < CR_TIMEOUT_S:
            return None
        self._buffer = b""
        return encode_frame(_error(ErrorCode.TIMEOUT))

    @property
    def waiting(self) -> bool:
        """Whether a packet has begun and not ended."""
        return bool(self._buffer)

    def _answer(self, packet: bytes, now: float) -> str:
        if self._faults.uses(Knob.UART):
            return _error(ErrorCode.UART)
        if packet[0] != STX or len(packet) > MAX_LENGTH or len(packet) < 8 or packet[-4] != ETX:
            return _error(ErrorCode.SYNTAX)
        if packet[-3:-1].upper() != b"%02X" % checksum(packet[:-3]):
            return _error(ErrorCode.CHECKSUM)
        letters, digits = packet[1:4].decode("latin-1"), packet[4:-4].decode("latin-1")
        command = _COMMANDS.get(letters)
        refused = command in _SETTINGS and bool(self._faults.channel(1, Knob.REFUSE))
        if command is None or refused or (command in _ONLY_02 and self._variant is Variant.C11204_01):
            return _error(ErrorCode.COMMAND)
        if len(digits) != REQUEST_DIGITS[command]:
            return _error(ErrorCode.SIZE)
        if not all(digit in "0123456789abcdefABCDEF" for digit in digits):
            return _error(ErrorCode.HEX)
        self.advance(now)
        return letters.lower() + self._execute(command, digits, now)

    def _execute(self, command: Command, digits: str, now: float) -> str:
        match command:
            case Command.MONITOR:
                setting = self._vo(now) if self._variant is Variant.C11204_01 else 0.0
                return self._status_word(now) + _volts(setting) + self._vmon() + self._current(now) + self._temperature(now)
            case Command.STATUS:
                return self._status_word(now)
            case Command.VOLTAGE:
                return self._vmon()
            case Command.CURRENT:
                return self._current(now)
            case Command.TEMPERATURE:
                return self._temperature(now)
            case Command.ON:
                self._on = self._shut_at is None
            case Command.OFF:
                self._on = False
            case Command.RESET:
                self.power_up(now)
            case Command.SET_VOLTAGE:
                self._working = replace(self._working, reference_V=units.volts(int(digits, 16)))
            case Command.SET_COMPENSATION:
                self._stored = self._working = decode_compensation("hrt" + digits)
            case Command.GET_COMPENSATION:
                return "".join(f"{word:04X}" for word in compensation_words(self._working))
            case Command.SWITCH_COMPENSATION:
                self._compensate = digits != "0"
            case Command.SET_FUNCTION:
                self._function = Function(int(digits, 16) & 3)
            case Command.GET_FUNCTION:
                return f"{int(self._function):04X}"
            case Command.IDENTITY:
                return "C11204-02".ljust(16) + "Ver 1.10".ljust(16) + "Feb 03 2015"
            case Command.SERIAL:
                return self._serial.ljust(16)[:16]
        return ""

    def advance(self, now: float) -> None:
        """Let time pass: the output settles, and too much current for too long shuts it down."""
        if self._shut_at is not None and self._function & Function.AUTO_RESTORE and now - self._shut_at >= RESTORE_S:
            self._shut_at = self._over_since = None
            self._on = self._is_recovering = True
        self._output.lag(self._vo(now) if self._on else 0.0, TAU_S, now)
        if self._load.current(self._output.level_V, now) <= OVER_CURRENT_UA:
            self._over_since = None
        elif self._over_since is None:
            self._over_since = now
        elif now - self._over_since > OVER_CURRENT_S:
            self._shut_at, self._on = now, False

    def _vo(self, now: float) -> float:
        """Output voltage the module regulates to."""
        low, high = _LIMITS_V[self._variant]
        shift = self._working.shift(self._load.temperature(now)) if self._compensating(now) else 0.0
        return min(max(self._working.reference_V + shift, low), high)

    def _compensating(self, now: float) -> bool:
        return self._compensate and self._sensor_ok(now) and -20 <= self._load.temperature(now) <= 60

    def _sensor_ok(self, now: float) -> bool:
        return not self._faults.channel(1, Knob.SENSOR) and -30 <= self._load.temperature(now) <= 100

    def _status_word(self, now: float) -> str:
        shut = self._shut_at is not None
        stable = self._on and abs(self._output.level_V - self._vo(now)) <= _STABLE_V
        bits = {
            Status.ON: self._on,
            Status.OVER_CURRENT: shut,
            Status.CURRENT_OUT: self._load.current(self._output.level_V, now) > _OUT_OF_SPEC_UA,
            Status.SENSOR_OK: self._sensor_ok(now),
            Status.TEMPERATURE_OUT: not -20 <= self._load.temperature(now) <= 60,
            Status.COMPENSATION: self._compensating(now),
        }
        self._is_recovering = self._is_recovering and self._on and not stable
        if self._variant is Variant.C11204_02:
            bits |= {
                Status.RESTORING: shut and bool(self._function & Function.AUTO_RESTORE),
                Status.SUPPRESSED: self._is_recovering,
                Status.MOVING: self._on and not stable,
                Status.STABLE: stable,
            }
        return f"{sum(int(bit) for bit, is_set in bits.items() if is_set):04X}"

    def _vmon(self) -> str:
        return _volts(max(self._output.level_V + self._load.ripple(_RIPPLE_V), 0.0))

    def _current(self, now: float) -> str:
        current_uA = min(self._load.current(self._output.level_V, now), _FULL_SCALE_UA)
        return f"{units.raw_milliampere(current_uA / 1000, self._variant):04X}"

    def _temperature(self, now: float) -> str:
        # An open sensor input reads as full scale, which is very cold.
        unplugged = self._faults.channel(1, Knob.SENSOR)
        return "FFFF" if unplugged else f"{units.raw_celsius(self._load.measured_temperature(now)):04X}"


def _volts(value_V: float) -> str:
    return f"{units.raw_volts(value_V):04X}"


def _error(code: ErrorCode) -> str:
    return f"hxx{code:04X}"


def _break_checksum(reply: bytes) -> bytes:
    return reply[:-3] + (b"00" if reply[-3:-1] != b"00" else b"01") + reply[-1:]


def _break_letters(_reply: bytes) -> bytes:
    return encode_frame("hzz")


SPOILERS = Spoilers(_break_checksum, _break_letters)
