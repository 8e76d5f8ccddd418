"""The simulated C11204 answers byte for byte as the reference says."""

from __future__ import annotations

import pytest

from iocs.drivers import c11204_codec as codec
from iocs.drivers import c11204_units as units
from iocs.drivers.c11204_codec import Command, ErrorCode, Monitor, Status
from iocs.drivers.c11204_frame import Frame, encode_frame, scan_frames
from iocs.drivers.c11204_units import Variant
from iocs.simulators.c11204_device import KNOBS, C11204Device
from iocs.simulators.climate import Climate
from iocs.simulators.faults import Faults, Knob
from iocs.simulators.output import Load
from iocs.simulators.sipm import Sipm
from sipmdcs.errors import DeviceRefused


class Bench:
    """A device with a clock and a codec at hand."""

    def __init__(self, variant: Variant = Variant.C11204_02) -> None:
        self.now = 0.0
        self.faults = Faults(1, KNOBS)
        self.variant = variant
        self.device = C11204Device(
            Load("LED", 1, Sipm(52.0), Climate("LED"), self.faults), self.faults, serial="SIM1", variant=variant
        )

    def send(self, data: bytes) -> list[str]:
        scan = scan_frames(b"".join(self.device.receive(data, self.now)))
        assert (scan.skipped, scan.rest) == (0, b"")
        return [found.text for found in scan.found if isinstance(found, Frame)]

    def ask(self, command: Command, *words: int) -> str:
        (reply,) = self.send(codec.encode_request(command, *words))
        return reply

    def monitor(self, later: float = 0.0) -> Monitor:
        self.now += later
        return codec.decode_monitor(self.ask(Command.MONITOR), self.variant)


@pytest.mark.parametrize("command", list(Command))
def test_every_command_is_answered_in_its_length(command: Command) -> None:
    words = {4: (0x7A3B,), 24: (0, 0, 0x409, 0x409, 0x7A3B, 0xB7D7), 1: (1,), 0: ()}[codec.REQUEST_DIGITS[command]]
    reply = Bench().ask(command, *words)
    assert len(codec.reply_data(command, reply)) == codec.REPLY_CHARACTERS[command]


@pytest.mark.parametrize(
    ("packet", "code"),
    [
        (b"HPO\r", ErrorCode.SYNTAX),
        (b"\r", ErrorCode.SYNTAX),
        (b"\x02HPOEC\r", ErrorCode.SYNTAX),
        (b"\x02" + b"H" * 256, ErrorCode.SYNTAX),
        (b"\x02HPO\x0300\r", ErrorCode.CHECKSUM),
        (encode_frame("HZZ"), ErrorCode.COMMAND),
        (encode_frame("hpo"), ErrorCode.COMMAND),
        (encode_frame("HBV7A3"), ErrorCode.SIZE),
        (encode_frame("HPO0"), ErrorCode.SIZE),
        (encode_frame("HBV7A3G"), ErrorCode.HEX),
    ],
)
def test_errors(packet: bytes, code: ErrorCode) -> None:
    assert Bench().send(packet) == [f"hxx{code:04X}"]


def test_lower_case_hex_is_accepted() -> None:
    assert Bench().send(b"\x02HBV4b74\x03E6\r") == ["hbv"]


def test_request_in_pieces() -> None:
    bench = Bench()
    assert bench.send(b"\x02HG") == []
    assert bench.send(b"S\x03E7\r")[0].startswith("hgs")


def test_overdue_cr() -> None:
    bench = Bench()
    bench.send(b"\x02HG")
    assert bench.device.waiting
    assert bench.device.expire(0.9) is None
    bench.now = 1.1
    assert bench.send(encode_frame("HON")) == ["hxx0002", "hon"]


@pytest.mark.parametrize("command", [Command.IDENTITY, Command.SERIAL, Command.GET_FUNCTION])
def test_commands_that_a_01_lacks(command: Command) -> None:
    assert Bench(Variant.C11204_01).ask(command) == "hxx0005"


def test_output_is_on_at_power_up_and_settles() -> None:
    bench = Bench()
    bench.now = 0.1
    early = bench.monitor()
    assert Status.ON | Status.MOVING in early.status
    assert Status.STABLE not in early.status
    late = bench.monitor(3)
    assert late.status == Status.ON | Status.STABLE | Status.SENSOR_OK | Status.COMPENSATION
    assert late.vmon_V == pytest.approx(55.0, abs=0.1)


def test_typical_status_words_of_both_variants() -> None:
    assert int(Bench().monitor(3).status) == 0x4049
    first = Bench(Variant.C11204_01).monitor(3)
    assert int(first.status) == 0x0049
    assert first.set_V == pytest.approx(first.vmon_V, abs=5e-3)


def test_reference_voltage_is_lost_at_power_off_and_the_stored_one_kept() -> None:
    bench = Bench()
    bench.ask(Command.SET_COMPENSATION, *codec.compensation_words(codec.Compensation(0, 0, 54, 54, 56.0, 25)))
    bench.ask(Command.SET_VOLTAGE, units.raw_volts(58))
    assert bench.monitor(3).vmon_V == pytest.approx(58, abs=0.1)
    bench.device.power_up(bench.now)
    assert bench.monitor(3).vmon_V == pytest.approx(56, abs=0.1)


def test_voltage_out_of_range_is_clamped() -> None:
    bench = Bench()
    bench.ask(Command.SWITCH_COMPENSATION, 0)
    bench.ask(Command.SET_VOLTAGE, units.raw_volts(30))
    assert bench.monitor(3).vmon_V == pytest.approx(40, abs=0.01)
    bench.ask(Command.SET_VOLTAGE, units.raw_volts(100))
    assert bench.monitor(3).vmon_V == pytest.approx(90, abs=0.01)


def test_compensation_follows_the_temperature() -> None:
    bench = Bench()
    for temperature, shift in ((35, 0.54), (15, -0.54)):
        bench.faults.turn(1, Knob.TEMPERATURE, str(temperature))
        assert bench.monitor(3).vmon_V == pytest.approx(55 + shift, abs=0.01)
    bench.faults.turn(1, Knob.TEMPERATURE, "61")
    hot = bench.monitor(3)
    assert Status.TEMPERATURE_OUT in hot.status
    assert Status.COMPENSATION not in hot.status
    assert hot.vmon_V == pytest.approx(55, abs=0.01)


def test_unplugged_sensor() -> None:
    bench = Bench()
    bench.faults.turn(1, Knob.SENSOR, "1")
    monitor = bench.monitor(3)
    assert Status.SENSOR_OK not in monitor.status
    assert monitor.temperature_C < -30


@pytest.mark.parametrize(("auto", "back"), [(0, False), (2, True)])
def test_over_current_shuts_down_after_four_seconds(auto: int, back: bool) -> None:
    bench = Bench()
    bench.ask(Command.SET_FUNCTION, auto)
    bench.monitor(3)
    bench.faults.turn(1, Knob.EXTRA_CURRENT, "3500")
    assert Status.CURRENT_OUT in bench.monitor(0.1).status
    assert Status.ON in bench.monitor(3.8).status
    shut = bench.monitor(0.5)
    assert Status.OVER_CURRENT in shut.status
    assert Status.ON not in shut.status
    assert (Status.RESTORING in shut.status) is back
    bench.faults.turn(1, Knob.EXTRA_CURRENT, "0")
    assert (Status.ON in bench.monitor(2.5).status) is back
    if not back:
        bench.ask(Command.ON)
        assert Status.ON not in bench.monitor(1).status
        bench.ask(Command.RESET)
        assert Status.ON in bench.monitor(1).status


def test_the_voltage_is_suppressed_while_it_comes_back() -> None:
    bench = Bench()
    bench.ask(Command.SET_FUNCTION, 2)
    bench.monitor(3)
    bench.faults.turn(1, Knob.EXTRA_CURRENT, "3500")
    bench.monitor(0.1)
    assert Status.RESTORING in bench.monitor(4.5).status
    bench.faults.turn(1, Knob.EXTRA_CURRENT, "0")
    bench.monitor(1.9)
    rising = bench.monitor(0.2).status
    assert Status.SUPPRESSED | Status.ON | Status.MOVING in rising
    assert Status.STABLE not in rising
    back = bench.monitor(3).status
    assert Status.STABLE in back
    assert Status.SUPPRESSED not in back


def test_a_request_heard_with_a_parity_error() -> None:
    bench = Bench()
    bench.faults.turn(None, Knob.UART, "1")
    assert bench.ask(Command.OFF) == "hxx0001"
    assert Status.ON in bench.monitor().status


def test_dark_current_is_below_the_resolution() -> None:
    assert Bench().monitor(3).current_mA == 0


def test_output_control_keeps_the_output_off_at_power_up() -> None:
    bench = Bench()
    bench.ask(Command.SET_FUNCTION, 1)
    bench.device.power_up(bench.now)
    assert Status.ON not in bench.monitor(1).status


@pytest.mark.parametrize("command", [Command.OFF, Command.SET_VOLTAGE, Command.RESET, Command.SWITCH_COMPENSATION])
def test_a_device_that_refuses_settings_answers_everything_else(command: Command) -> None:
    bench = Bench()
    before = bench.monitor(5.0)
    bench.faults.turn(1, Knob.REFUSE, "1")
    words = {4: (0x7A3B,), 1: (0,), 0: ()}[codec.REQUEST_DIGITS[command]]
    with pytest.raises(DeviceRefused):
        codec.reply_data(command, bench.ask(command, *words))
    after = bench.monitor(5.0)
    assert (after.status, after.vmon_V) == (before.status, pytest.approx(before.vmon_V, abs=0.1))
    bench.faults.turn(1, Knob.REFUSE, "0")
    assert codec.reply_data(command, bench.ask(command, *words)) == ""
