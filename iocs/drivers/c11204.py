"""Driver of the Hamamatsu C11204-01/-02: one output on a serial line.

At power-up the module switches its output on by itself, so nothing is assumed: the status word is read first. Its
current monitor has steps of 5 µA and serves as over-current monitor only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from iocs.drivers import c11204_codec as codec
from iocs.drivers import c11204_units as units
from iocs.drivers.c11204_codec import Command, Compensation, Function, Monitor, Status
from iocs.drivers.c11204_link import SerialLine
from iocs.drivers.c11204_reference import Reference, believe, shift_in_force
from iocs.drivers.c11204_units import Variant
from iocs.drivers.driver import ChannelReading, EndpointSource, Identity, Settings, Snapshot, Traits
from sipmdcs.errors import DeviceRefused, WireError
from sipmdcs.publisher import Value

CHANNEL = 1
_MAX_V = 90.0
_UNKNOWN_COMMAND = f"{codec.ERROR_LETTERS}{codec.ErrorCode.COMMAND:04X}"
_MIN_V = {Variant.C11204_01: 50.0, Variant.C11204_02: 40.0}


class C11204Driver:
    """One module. See ``Driver`` for what the methods promise."""

    traits = Traits(floor_V=40.0, max_V=92.0, tolerance_V=0.1, settle_s=3.0)

    def __init__(self, endpoint: EndpointSource, settings: Settings) -> None:
        self._endpoint = endpoint
        self._settings = settings
        self._line: SerialLine | None = None
        self._variant = Variant.C11204_02
        self._reference: Reference | None = None
        self._stored: Compensation | None = None
        """Factors as read last."""
        self._is_refusing = False
        """The module does not let its factors be read."""
        self._must_go_off = False
        """It was reset, which switches its output on, and has not confirmed to be off yet."""

    def open(self) -> None:
        self.close()
        self._line = SerialLine(self._endpoint())
        self._reference = self._stored = None

    def close(self) -> None:
        if self._line is not None:
            self._line.close()
        self._line = None

    def identify(self) -> Identity:
        self._ask(Command.STATUS)
        answer = self._ask(Command.IDENTITY)
        if answer == _UNKNOWN_COMMAND:  # only a -02 knows it; any other error is a matter of the wire
            self._set_variant(Variant.C11204_01)
            return Identity(self._variant.name_on_label)
        identity = codec.decode_identity(answer)
        self._set_variant(Variant.C11204_02)
        serial = codec.reply_data(Command.SERIAL, self._ask(Command.SERIAL)).strip()
        extra: dict[str, Value] = {"AUTO_RESTORE": int(Function.AUTO_RESTORE in self._function())}
        return Identity(identity.device, serial, f"{identity.version} {identity.built}", extra)

    def _set_variant(self, variant: Variant) -> None:
        self._variant = variant
        self.traits = Traits(_MIN_V[variant], self.traits.max_V, self.traits.tolerance_V, self.traits.settle_s)

    def poll(self) -> Snapshot:
        if self._must_go_off:
            self._go_off()
        monitor = codec.decode_monitor(self._ask(Command.MONITOR), self._variant)
        cycled = False
        try:
            self._stored = codec.decode_compensation(self._ask(Command.GET_COMPENSATION))
            self._reference, cycled = believe(self._reference, monitor, self._stored)
            self._is_refusing = False
        except DeviceRefused as err:
            if self._stored is None or self._reference is None:
                raise
            if not self._is_refusing and self._line is not None:
                self._line.flaws.append(str(err))
            self._is_refusing = True
        reading = self._reading(monitor, self._reference.volts, shift_in_force(monitor, self._stored))
        return Snapshot({CHANNEL: reading}, self._extra(monitor), cycled)

    def _reading(self, monitor: Monitor, bias_V: float, shift_V: float) -> ChannelReading:
        status = monitor.status
        moving = None if self._variant is Variant.C11204_01 else Status.STABLE not in status
        fault = ""
        if Status.SENSOR_OK not in status:
            fault = "sensor unplugged or out of range"
        elif Status.TEMPERATURE_OUT in status:
            fault = "temperature outside -20 to 60 C"
        return ChannelReading(
            on=Status.ON in status,
            bias_V=bias_V,
            vmon_V=monitor.vmon_V,
            current_uA=monitor.current_mA * 1000,
            temperature_C=monitor.temperature_C if Status.SENSOR_OK in status else None,
            moving=moving,
            over_current=Status.OVER_CURRENT in status,
            fault=fault,
            shift_V=shift_V,
        )

    def _extra(self, monitor: Monitor) -> dict[tuple[int, str], Value]:
        status = monitor.status
        return {
            (0, "STATUS"): int(status),
            (0, "SENSOR_OK"): int(Status.SENSOR_OK in status),
            (0, "OVER_CURRENT"): int(Status.OVER_CURRENT in status),
            # A -01 does not say; its voltage is then judged by the loop.
            (0, "STABLE"): int(Status.STABLE in status or self._variant is Variant.C11204_01),
            (0, "COMPENSATION_RBV"): int(Status.COMPENSATION in status),
        }

    def set_bias(self, values: Mapping[int, float]) -> None:
        for volts in values.values():
            low = _MIN_V[self._variant]
            if not low <= volts <= _MAX_V:
                raise DeviceRefused(f"{volts:g} V is outside {low:g} to {_MAX_V:g} V")
            self._do(Command.SET_VOLTAGE, codec.set_voltage(volts))
            follows = self._reference is not None and self._reference.follows
            self._reference = Reference(units.volts(units.raw_volts(volts)), told=True, follows=follows)

    def switch_on(self, values: Mapping[int, float]) -> None:
        self.set_bias(values)
        self._do(Command.ON)
        self._must_go_off = False

    def switch_off(self, channels: frozenset[int]) -> None:
        self._go_off()

    def all_off(self) -> None:
        self._go_off()

    def slew_rate(self) -> float | None:
        return None

    def write(self, address: int, parameter: str, value: Value) -> bool:
        writer = self._writers().get(parameter) if address == 0 else None
        if writer is None or not isinstance(value, int | float):
            raise DeviceRefused(f"a C11204 has no {parameter} that takes {value!r}")
        writer(int(value))
        return parameter == "RESET"

    def _writers(self) -> dict[str, Callable[[int], None]]:
        return {
            "COMPENSATION": self._switch_compensation,
            "COMP_STORE": self._store_compensation,
            "AUTO_RESTORE": self._set_auto_restore,
            "RESET": self._reset,
        } | dict.fromkeys(_STORED, _keep)

    def _switch_compensation(self, on: int) -> None:
        self._do(Command.SWITCH_COMPENSATION, codec.encode_request(Command.SWITCH_COMPENSATION, int(bool(on))))

    def _store_compensation(self, go: int) -> None:
        if not go:
            return
        quad_above, quad_below, lin_above, lin_below, reference_C = (self._setting(0, name) for name in _STORED)
        bias_V = self._setting(CHANNEL, "BIAS")
        compensation = Compensation(quad_above, quad_below, lin_above, lin_below, bias_V, reference_C)
        try:
            request = codec.set_compensation(compensation)
        except ValueError as err:
            raise DeviceRefused(str(err)) from err
        self._do(Command.SET_COMPENSATION, request)

    def _set_auto_restore(self, on: int) -> None:
        present = self._function()
        wanted = present | Function.AUTO_RESTORE if on else present & ~Function.AUTO_RESTORE
        self._do(Command.SET_FUNCTION, codec.encode_request(Command.SET_FUNCTION, int(wanted)))

    def _function(self) -> Function:
        return Function(codec.reply_words(Command.GET_FUNCTION, self._ask(Command.GET_FUNCTION))[0])

    def _reset(self, go: int) -> None:
        """Reset the module. That would switch the output on, so it is switched off right after."""
        if not go:
            return
        self._must_go_off = True  # also if nothing comes back: it may have been heard
        try:
            self._do(Command.RESET)
        except DeviceRefused:
            self._must_go_off = False
            raise
        self._go_off()
        self._reference = None

    def _go_off(self) -> None:
        self._do(Command.OFF)
        self._must_go_off = False

    def take_flaws(self) -> tuple[str, ...]:
        if self._line is None:
            return ()
        flaws = tuple(self._line.flaws)
        self._line.flaws.clear()
        return flaws

    def _setting(self, address: int, parameter: str) -> float:
        value = self._settings(address, parameter)
        if not isinstance(value, int | float):
            raise DeviceRefused(f"{parameter} is {value!r}, not a number")
        return float(value)

    def _do(self, command: Command, request: bytes | None = None) -> None:
        codec.reply_data(command, self._ask(command, request))

    def _ask(self, command: Command, request: bytes | None = None) -> str:
        if self._line is None:
            raise WireError(f"{command}: not connected")
        text = self._line.ask(command, request or codec.encode_request(command))
        # The module itself may have got a mangled request; what it refuses for that reason is a matter of the wire.
        if text in ("hxx0001", "hxx0002", "hxx0003", "hxx0004") and command is not Command.SET_COMPENSATION:
            self._line.flaws.append(f"{command}: module got a bad frame")
            text = self._line.ask(command, request or codec.encode_request(command))
        return text


_STORED = ("COMP_QUAD_ABOVE", "COMP_QUAD_BELOW", "COMP_LIN_ABOVE", "COMP_LIN_BELOW", "COMP_TREF")


def _keep(_value: int) -> None:
    """These take effect together, with ``COMP_STORE``."""
