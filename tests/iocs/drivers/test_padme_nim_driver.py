"""The PADME-NIM driver on real sockets, with every fault of the wire."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping

import pytest

from iocs.drivers import padme_nim_link
from iocs.drivers.driver import ChannelReading
from iocs.drivers.padme_nim import PadmeNimDriver
from iocs.drivers.padme_nim_console import Prompt
from iocs.simulators.background import Background
from iocs.simulators.faults import Knob
from sipmdcs.errors import DeviceRefused, WireError
from sipmdcs.publisher import Value

ALL = range(1, 17)
VOP = {channel: 57.0 + channel / 100 for channel in ALL}


@pytest.fixture
def settings() -> dict[tuple[int, str], Value]:
    made: dict[tuple[int, str], Value] = {(0, "SLEW_RATE"): 250}
    for channel in ALL:
        made |= {(channel, "ENABLE"): 0, (channel, "BIAS"): 0.0}
    return made


@pytest.fixture
def driver(padme_nim: Background, settings: dict[tuple[int, str], Value]) -> Iterator[PadmeNimDriver]:
    made = PadmeNimDriver(padme_nim.endpoint, lambda address, parameter: settings.get((address, parameter), 0))
    made.open()
    yield made
    made.close()


Readings = Mapping[int, ChannelReading]


def until(driver: PadmeNimDriver, condition: Callable[[Readings], bool]) -> Readings:
    deadline = time.monotonic() + 30
    while not condition(readings := driver.poll().channels):
        assert time.monotonic() < deadline, readings
    return readings


def level(readings: Readings, channel: int) -> float:
    value = readings[channel].vmon_V
    assert value is not None
    return value


def test_identity(driver: PadmeNimDriver) -> None:
    identity = driver.identify()
    assert (identity.model, identity.serial, identity.firmware) == ("PADME-NIM", "SIMHV13", "1.0.168 (hardware 1.0)")
    assert identity.extra["IP_ADDRESS"] == "127.0.0.1"


def test_everything_is_off_at_first(driver: PadmeNimDriver) -> None:
    readings = driver.poll().channels
    assert sorted(readings) == list(ALL)
    assert not any(reading.on for reading in readings.values())


def test_set_points_are_reported_finer_than_the_page_shows(driver: PadmeNimDriver) -> None:
    driver.set_bias({3: 57.86})
    assert driver.poll().channels[3].bias_V == 57.86


def test_set_point_that_somebody_else_changed(driver: PadmeNimDriver, padme_nim: Background) -> None:
    driver.set_bias({3: 57.86})
    other = padme_nim_link.Console(padme_nim.endpoint())
    other.command("DACLTC2609 3 50")
    other.close()
    assert driver.poll().channels[3].bias_V == 50.0


def test_all_on_and_off_in_the_order_of_the_module(driver: PadmeNimDriver, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = spy(driver, monkeypatch)
    driver.switch_on(VOP)
    assert lines[0] == "SLEWRATE 250"
    assert [line.split()[0] for line in lines[1:]] == ["DACLTC2609"] * 16 + ["HVONOFF", "ADCFG"] + ["DACLTC2609"] * 16
    assert lines[17:19] == ["HVONOFF 1", "ADCFG 1 0"]
    readings = until(driver, lambda r: all(abs(level(r, channel) - VOP[channel]) < 0.1 for channel in ALL))
    assert all(reading.on for reading in readings.values())
    lines.clear()
    driver.all_off()
    assert lines == ["HVONOFF 0", "ADCFG 1 0", "DACLTC2609 0 0.000"]
    readings = until(driver, lambda r: level(r, 16) < 1)
    assert not any(reading.on for reading in readings.values())


def spy(driver: PadmeNimDriver, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    lines: list[str] = []
    original = padme_nim_link.Console.command

    def command(self: padme_nim_link.Console, line: str) -> str:
        lines.append(line)
        return original(self, line)

    monkeypatch.setattr(padme_nim_link.Console, "command", command)
    return lines


def test_one_channel_on_leaves_the_others_off(driver: PadmeNimDriver) -> None:
    driver.set_bias(VOP)
    driver.switch_on({4: 57.04})
    readings = until(driver, lambda r: level(r, 4) > 56.5)
    assert [channel for channel, reading in readings.items() if reading.on] == [4]
    assert max(level(readings, channel) for channel in ALL if channel != 4) < 1
    driver.switch_on({5: 57.05})
    readings = until(driver, lambda r: level(r, 5) > 56.5)
    assert [channel for channel, reading in readings.items() if reading.on] == [4, 5]
    driver.switch_off(frozenset({4}))
    readings = until(driver, lambda r: level(r, 4) < 1)
    assert [channel for channel, reading in readings.items() if reading.on] == [5]


def test_last_channel_off_switches_the_module_off(driver: PadmeNimDriver) -> None:
    driver.switch_on({4: 57.0})
    until(driver, lambda r: r[4].on)
    driver.switch_off(frozenset({4}))
    snapshot = driver.poll()
    assert snapshot.extra[0, "HV_ON"] == 0
    assert not any(reading.on for reading in snapshot.channels.values())


def test_state_is_found_again_after_reconnect(driver: PadmeNimDriver) -> None:
    driver.switch_on(VOP)
    until(driver, lambda r: level(r, 16) > 56.5)
    driver.close()
    driver.open()
    readings = driver.poll().channels
    assert all(reading.on for reading in readings.values())
    assert readings[7].bias_V == VOP[7]


def test_power_cycle(driver: PadmeNimDriver, padme_nim: Background) -> None:
    driver.switch_on(VOP)
    until(driver, lambda r: level(r, 16) > 56.5)
    padme_nim.turn(Knob.POWER_CYCLE, 1)
    snapshot = driver.poll()
    assert snapshot.power_cycled
    assert not any(reading.on for reading in snapshot.channels.values())
    assert snapshot.channels[1].bias_V == 0
    assert not driver.poll().power_cycled
    driver.set_bias({1: 5.0})  # the console is opened anew
    assert driver.poll().channels[1].bias_V == 5.0


def test_a_set_point_too_small_for_the_page_is_no_power_cycle(driver: PadmeNimDriver) -> None:
    """The first step of a ramp, when the poll comes right after the command to switch on."""
    driver.set_bias(dict.fromkeys(ALL, 0.04))
    snapshot = driver.poll()
    assert not snapshot.power_cycled
    assert {reading.bias_V for reading in snapshot.channels.values()} == {0.04}


def test_main_switch(driver: PadmeNimDriver, settings: dict[tuple[int, str], Value]) -> None:
    driver.set_bias(VOP)
    settings[2, "ENABLE"] = 1
    assert driver.write(0, "HV_ON", 1)
    readings = until(driver, lambda r: level(r, 2) > 56.5)
    assert [channel for channel, reading in readings.items() if reading.on] == [2]
    with pytest.raises(DeviceRefused, match="range"):
        driver.write(0, "HV_RANGE", 0)
    assert driver.write(0, "HV_ON", 0)
    until(driver, lambda r: level(r, 2) < 1)
    settings[0, "INTERLOCK"] = 1
    with pytest.raises(DeviceRefused, match="interlock"):
        driver.write(0, "HV_ON", 1)


def test_range_limits_the_voltage(driver: PadmeNimDriver) -> None:
    driver.write(0, "HV_RANGE", 0)
    driver.switch_on(VOP)
    readings = until(driver, lambda r: level(r, 1) > 49.9)
    assert level(readings, 1) == pytest.approx(50, abs=0.1)


def test_slew_rate(driver: PadmeNimDriver, settings: dict[tuple[int, str], Value]) -> None:
    assert driver.slew_rate() == 250
    assert not driver.write(0, "SLEW_RATE", 20)
    with pytest.raises(DeviceRefused):
        driver.write(0, "SLEW_RATE", 300)


@pytest.mark.parametrize(("address", "parameter", "value"), [(0, "COMP_STORE", 1), (1, "HV_ON", 1), (0, "HV_RANGE", "50 V")])
def test_unknown_parameter_is_refused(driver: PadmeNimDriver, address: int, parameter: str, value: Value) -> None:
    with pytest.raises(DeviceRefused, match=parameter):
        driver.write(address, parameter, value)


def test_card_error_and_values_of_a_card(driver: PadmeNimDriver, padme_nim: Background) -> None:
    padme_nim.turn(Knob.CARD_ERROR, 3, channel=6)
    snapshot = driver.poll()
    assert "card error 3" in snapshot.channels[6].fault
    assert snapshot.extra[6, "ERROR_STATUS"] == 3
    assert snapshot.extra[6, "CARD_STATUS"] == 1
    assert snapshot.extra[6, "SUPPLY_RBV"] == pytest.approx(4992, abs=5)


def test_unplugged_sensor_has_no_temperature(driver: PadmeNimDriver, padme_nim: Background) -> None:
    padme_nim.turn(Knob.SENSOR, 1, channel=6)
    readings = driver.poll().channels
    assert readings[6].temperature_C is None
    assert readings[7].temperature_C == pytest.approx(25, abs=3)


SPOILED_PAGES = [
    (Knob.GARBAGE, r"/brdusr.cgx: no reply"),
    (Knob.CHECKSUM, r"/brdusr.cgx is not JSON"),
    (Knob.LETTERS, r"/brdusr.cgx is no list"),
    (Knob.TRUNCATE, r"/brdusr.cgx: no reply"),
    (Knob.DROP, r"/brdusr.cgx: no reply"),
    (Knob.EXTRA_BYTES, r"/brdusr.cgx: not HTTP"),
]


@pytest.mark.parametrize(("knob", "message"), SPOILED_PAGES)
def test_a_spoiled_page_is_a_missed_poll(
    driver: PadmeNimDriver, padme_nim: Background, knob: Knob, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(padme_nim_link, "REPLY_S", 0.1)
    driver.open()
    padme_nim.turn(knob, 1)
    with pytest.raises(WireError, match=message):
        driver.poll()
    assert len(driver.poll().channels) == 16


@pytest.mark.parametrize("knob", [Knob.GARBAGE, Knob.TRUNCATE, Knob.DROP, Knob.EXTRA_BYTES])
def test_a_spoiled_console_reply_is_survived_and_told(
    driver: PadmeNimDriver, padme_nim: Background, knob: Knob, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(padme_nim_link, "REPLY_S", 0.2)
    padme_nim.turn(knob, 1)
    driver.set_bias({1: 12.5})
    assert any("console" in flaw for flaw in driver.take_flaws())
    assert driver.poll().channels[1].bias_V == 12.5
    assert driver.take_flaws() == ()


def test_split_replies_are_put_together(driver: PadmeNimDriver, padme_nim: Background) -> None:
    padme_nim.turn(Knob.SPLIT, 1)
    driver.set_bias({1: 12.5})
    assert driver.poll().channels[1].bias_V == 12.5
    assert driver.take_flaws() == ()


def test_unplugged_and_plugged_in_again(driver: PadmeNimDriver, padme_nim: Background, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(padme_nim_link, "REPLY_S", 0.1)
    driver.open()
    padme_nim.turn(Knob.UNPLUG, 1)
    with pytest.raises(WireError, match="no reply"):
        driver.poll()
    with pytest.raises(WireError, match="console"):
        driver.open()
    padme_nim.turn(Knob.UNPLUG, 0)
    driver.open()
    assert len(driver.poll().channels) == 16


_HEADER = b"HTTP/1.0 200 OK\r\nContent-Length: 9999999999\r\n"


@pytest.mark.parametrize(
    ("start", "piece", "pause_s"),
    [
        (_HEADER + b"\r\n[", b" ", 0.02),
        (_HEADER + b"\r\n[", b" " * 100_000, 0.0),
        (_HEADER + b"X: ", b" ", 0.02),
        (_HEADER, b"X: y\r\n", 0.02),
        (b"", b"HTTP/1.0 100 Continue\r\n\r\n", 0.02),
    ],
    ids=["for hours", "for gigabytes", "a header for hours", "headers for hours", "promises for hours"],
)
def test_a_page_that_has_no_end_is_no_reply(
    start: bytes, piece: bytes, pause_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(padme_nim_link, "PAGE_S", 0.3 if pause_s else 60.0)

    def serve(listener: socket.socket) -> None:
        client, _ = listener.accept()
        with client, contextlib.suppress(OSError):  # until the driver hangs up
            client.sendall(start)
            while True:
                client.sendall(piece)
                time.sleep(pause_s)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        pages = padme_nim_link.Pages({"http": f"127.0.0.1:{listener.getsockname()[1]}"})
        with pytest.raises(WireError, match=r"/brdusr.cgx: no reply"):
            pages.get("/brdusr.cgx")
        thread.join(30)
    assert not thread.is_alive()


def test_nobody_listens(free_port: int) -> None:
    endpoint = {"telnet": f"127.0.0.1:{free_port}", "http": f"127.0.0.1:{free_port}"}
    with pytest.raises(WireError, match="refused"):
        PadmeNimDriver(lambda: endpoint, lambda *_: 0).open()


def test_closed_driver_says_so() -> None:
    driver = PadmeNimDriver(dict, lambda *_: 0)
    with pytest.raises(WireError, match="not connected"):
        driver.poll()
    with pytest.raises(WireError, match="not connected"):
        driver.set_bias({1: 5.0})


def test_prompts_are_those_of_the_module() -> None:
    assert [str(prompt) for prompt in Prompt] == ["Username: ", "Password: ", "APD1768> "]
