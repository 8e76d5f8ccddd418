"""The C11204 driver on a pseudo-terminal, with every fault of the wire."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator

import pytest

from iocs.drivers import c11204_link
from iocs.drivers.c11204 import C11204Driver
from iocs.drivers.c11204_codec import Command
from iocs.drivers.driver import ChannelReading
from iocs.simulators.background import Background
from iocs.simulators.faults import Knob
from sipmdcs.errors import DeviceRefused, WireError
from sipmdcs.publisher import Value

SETTINGS: dict[tuple[int, str], Value] = {
    (0, "COMP_QUAD_ABOVE"): 0.0,
    (0, "COMP_QUAD_BELOW"): 0.0,
    (0, "COMP_LIN_ABOVE"): 50.0,
    (0, "COMP_LIN_BELOW"): 50.0,
    (0, "COMP_TREF"): 25.0,
    (1, "BIAS"): 56.0,
}


@pytest.fixture
def driver(c11204: Background) -> Iterator[C11204Driver]:
    made = C11204Driver(c11204.endpoint, lambda address, parameter: SETTINGS[address, parameter])
    made.open()
    yield made
    made.close()


def read(driver: C11204Driver) -> ChannelReading:
    return driver.poll().channels[1]


def until(driver: C11204Driver, condition: Callable[[ChannelReading], bool]) -> ChannelReading:
    deadline = time.monotonic() + 30
    while not condition(reading := read(driver)):
        assert time.monotonic() < deadline, reading
    return reading


def test_identity(driver: C11204Driver) -> None:
    identity = driver.identify()
    assert (identity.model, identity.serial) == ("C11204-02", "SIMLED")
    assert driver.traits.floor_V == 40.0


def test_noise_while_a_module_is_identified_makes_no_other_kind_of_it(driver: C11204Driver, c11204: Background) -> None:
    ask = driver._ask

    def with_noise(command: Command, request: bytes | None = None) -> str:
        if command is Command.IDENTITY:
            c11204.turn(Knob.UART, 2)  # the request, and when it is repeated
        return ask(command, request)

    driver._ask = with_noise
    with pytest.raises(DeviceRefused, match="UART error"):
        driver.identify()
    del driver._ask
    assert driver.identify().model == "C11204-02"


def test_output_is_on_after_power_up_and_the_driver_says_so(driver: C11204Driver) -> None:
    reading = until(driver, lambda r: not r.moving)
    assert reading.on
    assert reading.bias_V == pytest.approx(55.0, abs=2e-3)
    assert reading.vmon_V == pytest.approx(55.0 + reading.shift_V, abs=0.03)


def test_current_is_in_microampere(driver: C11204Driver, c11204: Background) -> None:
    c11204.turn(Knob.EXTRA_CURRENT, 500, channel=1)
    assert until(driver, lambda reading: bool(reading.current_uA)).current_uA == pytest.approx(500, abs=10)


def test_set_off_and_on(driver: C11204Driver) -> None:
    driver.set_bias({1: 56.7})
    reading = until(driver, lambda r: not r.moving)
    assert reading.bias_V == pytest.approx(56.7, abs=1e-3)
    driver.switch_off(frozenset({1}))
    reading = until(driver, lambda r: (r.vmon_V or 0) < 1)
    assert not reading.on
    assert reading.bias_V == pytest.approx(56.7, abs=1e-3)
    driver.switch_on({1: 54.0})
    assert until(driver, lambda r: r.on and not r.moving).vmon_V == pytest.approx(54, abs=0.2)


@pytest.mark.parametrize("volts", [39.9, 90.1, float("nan")])
def test_voltage_out_of_range_is_refused(driver: C11204Driver, volts: float) -> None:
    with pytest.raises(DeviceRefused):
        driver.set_bias({1: volts})


def test_compensation(driver: C11204Driver, c11204: Background) -> None:
    c11204.turn(Knob.TEMPERATURE, 35, channel=1)
    reading = until(driver, lambda r: r.shift_V > 0.5)
    assert reading.shift_V == pytest.approx(0.54, abs=0.02)
    driver.write(0, "COMPENSATION", 0)
    assert read(driver).shift_V == 0
    assert driver.poll().extra[0, "COMPENSATION_RBV"] == 0
    driver.write(0, "COMPENSATION", 1)
    driver.write(0, "COMP_STORE", 1)
    reading = until(driver, lambda r: not r.moving)
    assert reading.bias_V == pytest.approx(56.0, abs=2e-3)
    assert reading.shift_V == pytest.approx(0.5, abs=0.02)


def test_power_cycle_is_noticed(driver: C11204Driver, c11204: Background) -> None:
    driver.set_bias({1: 57.0})
    until(driver, lambda r: not r.moving)
    c11204.turn(Knob.POWER_CYCLE, 1)
    snapshot = driver.poll()
    assert snapshot.power_cycled
    assert snapshot.channels[1].on
    assert snapshot.channels[1].bias_V == pytest.approx(55.0, abs=2e-3)
    assert not driver.poll().power_cycled


def test_sensor_unplugged(driver: C11204Driver, c11204: Background) -> None:
    c11204.turn(Knob.SENSOR, 1, channel=1)
    snapshot = driver.poll()
    assert snapshot.extra[0, "SENSOR_OK"] == 0
    assert snapshot.channels[1].temperature_C is None
    assert "sensor" in snapshot.channels[1].fault
    assert snapshot.channels[1].shift_V == 0


def test_reset_leaves_the_output_off(driver: C11204Driver) -> None:
    assert driver.write(0, "RESET", 1)
    assert not read(driver).on


def test_a_reset_whose_off_gets_lost_is_switched_off_before_anything_else(
    driver: C11204Driver, c11204: Background, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(c11204_link, "REPLY_S", 0.05)
    do = driver._do

    def boots_after_a_reset(command: Command, request: bytes | None = None) -> None:
        do(command, request)
        if command is Command.RESET:
            c11204.turn(Knob.UNPLUG, 1)

    monkeypatch.setattr(driver, "_do", boots_after_a_reset)
    with pytest.raises(WireError, match="HOF: no reply"):
        driver.write(0, "RESET", 1)
    c11204.turn(Knob.UNPLUG, 0)
    driver.open()
    assert not read(driver).on


def test_auto_restore(driver: C11204Driver) -> None:
    driver.write(0, "AUTO_RESTORE", 1)
    assert driver.identify().extra["AUTO_RESTORE"] == 1
    driver.write(0, "AUTO_RESTORE", 0)
    assert driver.identify().extra["AUTO_RESTORE"] == 0


def test_unknown_parameter_is_refused(driver: C11204Driver) -> None:
    with pytest.raises(DeviceRefused, match="HV_RANGE"):
        driver.write(0, "HV_RANGE", 1)


@pytest.mark.parametrize(
    ("knob", "flaw"),
    [
        (Knob.GARBAGE, "HPO: 7 bytes of garbage"),
        (Knob.CHECKSUM, "HPO: bad checksum"),
        (Knob.LETTERS, "HPO: answered by hzz"),
        (Knob.TRUNCATE, "HPO: cut short"),
        (Knob.DROP, "HPO: no reply"),
        (Knob.EXTRA_BYTES, "7 bytes of garbage skipped"),
        (Knob.UART, "HPO: module got a bad frame"),
    ],
)
def test_one_spoiled_reply_is_survived_and_told(driver: C11204Driver, c11204: Background, knob: Knob, flaw: str) -> None:
    c11204.turn(knob, 1)
    assert read(driver).on
    assert flaw in driver.take_flaws()
    assert read(driver).on
    assert driver.take_flaws() == ()


def test_two_spoiled_replies_are_a_missed_poll(driver: C11204Driver, c11204: Background) -> None:
    c11204.turn(Knob.CHECKSUM, 2)
    with pytest.raises(WireError, match="HPO: bad checksum"):
        driver.poll()
    assert read(driver).on


def test_split_replies_are_put_together(driver: C11204Driver, c11204: Background) -> None:
    c11204.turn(Knob.SPLIT, 1)
    assert read(driver).on
    assert driver.take_flaws() == ()


def test_late_replies_are_not_taken_for_the_next(
    driver: C11204Driver, c11204: Background, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(c11204_link, "REPLY_S", 0.05)
    c11204.turn(Knob.DELAY, 0.08)
    with contextlib.suppress(WireError):
        assert read(driver).on
    assert driver.take_flaws()
    c11204.turn(Knob.DELAY, 0)
    monkeypatch.setattr(c11204_link, "REPLY_S", 0.3)
    reading = read(driver)
    assert reading.vmon_V == pytest.approx(55, abs=0.3)
    assert reading.temperature_C == pytest.approx(25, abs=2)


def test_unplugged_and_plugged_in_again(driver: C11204Driver, c11204: Background, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(c11204_link, "REPLY_S", 0.05)
    c11204.turn(Knob.UNPLUG, 1)
    with pytest.raises(WireError, match="no reply"):
        driver.poll()
    c11204.turn(Knob.UNPLUG, 0)
    assert read(driver).on


def test_device_keeps_its_voltage_while_nobody_is_connected(driver: C11204Driver) -> None:
    driver.set_bias({1: 57.3})
    until(driver, lambda r: not r.moving)
    driver.close()
    driver.open()
    assert read(driver).vmon_V == pytest.approx(57.3, abs=0.1)


def test_second_program_on_the_line_is_kept_out(driver: C11204Driver, c11204: Background) -> None:
    second = C11204Driver(c11204.endpoint, lambda *_: 0)
    with pytest.raises(WireError, match="cannot be opened"):
        second.open()


def test_no_such_line() -> None:
    with pytest.raises(WireError, match="/dev/nonexistent cannot be opened"):
        C11204Driver(lambda: {"tty": "/dev/nonexistent"}, lambda *_: 0).open()


def test_closed_driver_says_so() -> None:
    with pytest.raises(WireError, match="not connected"):
        C11204Driver(dict, lambda *_: 0).poll()


def test_a_module_that_refuses_to_tell_its_factors_is_polled_with_those_it_told_last(
    driver: C11204Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = read(driver)
    ask = driver._ask

    def refuse(command: Command, request: bytes | None = None) -> str:
        return "hxx0005" if command is Command.GET_COMPENSATION else ask(command, request)

    monkeypatch.setattr(driver, "_ask", refuse)
    driver.take_flaws()
    readings = [read(driver) for _ in range(3)]
    assert {reading.bias_V for reading in readings} == {before.bias_V}
    assert len(driver.take_flaws()) == 1, "told once, not at every poll"
    assert not driver.poll().power_cycled
    driver.open()
    with pytest.raises(DeviceRefused):
        driver.poll()  # nothing was ever told
