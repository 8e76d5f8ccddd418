"""A device that understood and said no: an alarm of the setpoint with its reason, and nothing else."""

from __future__ import annotations

import contextlib

import pytest

from sipmdcs.channelstate import ChannelState
from sipmdcs.errors import DeviceRefused
from sipmdcs.severity import Severity, Status
from tests.iocs.controller.conftest import GOOD, PREFIX, Stand

WRITE = (Severity.INVALID, Status.WRITE)


async def on_at(stand: Stand, volts: float) -> None:
    await stand.poll()
    for channel in (1, 2):
        stand.driver.change(channel, on=True, bias_V=volts, vmon_V=volts)
        await stand.put(f"CH{channel:02d}:BIAS", volts)
    await stand.poll()


def why(stand: Stand, pv: str) -> str:
    assert stand.alarm(pv) == WRITE
    return stand.publisher.messages[f"{PREFIX}:{pv}"]


async def test_a_step_of_a_ramp_that_is_refused_alarms_its_setpoint_alone(stand: Stand) -> None:
    await on_at(stand, 55.0)
    stand.driver.min_V = 50.0
    await stand.put("CH01:RAMP_DOWN", 2.0)
    await stand.put("CH02:RAMP_DOWN", 2.0)
    await stand.put("CH01:BIAS", 45.0)
    await stand.put("CH02:BIAS", 51.0)
    await stand.poll(8)
    assert why(stand, "CH01:BIAS") == "49 V is below 50 V"
    assert (stand.get("CH01:STATE"), stand.get("CH01:BIAS_RBV")) == (ChannelState.STANDBY, 51.0)
    assert (stand.get("CH02:STATE"), stand.get("CH02:BIAS_RBV")) == (ChannelState.STANDBY, 51.0)
    assert (stand.get("CONNECTED"), stand.get("COMM_ERRORS")) == (1, 0)
    assert {stand.alarm(f"CH0{channel}:{pv}") for channel in (1, 2) for pv in ("BIAS_RBV", "STATE")} == {GOOD}
    assert stand.alarm("CH02:BIAS") == GOOD
    calls = len(stand.driver.calls)
    await stand.poll(3)
    assert len(stand.driver.calls) == calls, "what was refused is not asked for again"
    await stand.put("CH01:BIAS", 52.0)
    await stand.poll(3)
    assert (stand.alarm("CH01:BIAS"), stand.get("CH01:BIAS_RBV")) == (GOOD, 52.0)


async def test_a_setpoint_below_the_range_of_an_output_that_is_on_is_refused_at_once(stand: Stand) -> None:
    await on_at(stand, 55.0)
    stand.driver.traits = type(stand.driver.traits)(floor_V=50.0, max_V=92.0, tolerance_V=0.1, settle_s=3.0)
    with pytest.raises(DeviceRefused, match=r"^BIAS 45 V is below 50 V$"):
        await stand.put("CH01:BIAS", 45.0)
    await stand.poll(3)
    assert (stand.get("CH01:BIAS_RBV"), stand.get("CONNECTED")) == (55.0, 1)


async def test_switching_off_goes_on_from_where_the_device_refuses_to_ramp_lower(stand: Stand) -> None:
    await on_at(stand, 55.0)
    stand.driver.min_V = 50.0
    await stand.put("CH01:RAMP_DOWN", 2.0)
    await stand.put("CH01:ENABLE", 0)
    await stand.poll(10)
    assert not stand.driver.readings[1].on
    assert stand.get("CH01:STATE") == ChannelState.OFF
    assert stand.alarm("CH01:BIAS") == GOOD, "what was refused is no setpoint but a step on the way"


async def test_a_refused_off_is_asked_for_until_it_is_done(stand: Stand) -> None:
    await on_at(stand, 55.0)
    await stand.put("CH01:RAMP_DOWN", 100.0)
    stand.driver.refusing = {1: "ERR busy"}
    await stand.put("CH01:ENABLE", 0)
    await stand.poll(8)
    assert why(stand, "CH01:ENABLE") == "ERR busy"
    assert stand.driver.readings[1].on
    assert (stand.get("CONNECTED"), stand.get("CH02:STATE")) == (1, ChannelState.ON)
    stand.driver.refusing = {}
    await stand.poll(8)
    assert not stand.driver.readings[1].on


async def test_a_trip_that_cannot_be_switched_off_alarms_and_is_asked_again(stand: Stand) -> None:
    await on_at(stand, 55.0)
    stand.driver.refusing = {1: "ERR busy"}
    stand.driver.change(1, current_uA=99.0)
    stand.driver.change(2, current_uA=99.0)
    await stand.poll(4)
    assert why(stand, "CH01:ENABLE") == "ERR busy"
    assert [stand.driver.readings[channel].on for channel in (1, 2)] == [True, False]
    assert stand.get("CONNECTED") == 1
    stand.driver.refusing = {}
    await stand.poll()
    assert not stand.driver.readings[1].on


@pytest.mark.parametrize("command", ["ALL_OFF", "KILL", "INTERLOCK"])
async def test_commands_to_all_reach_the_channels_that_do_not_refuse(stand: Stand, command: str) -> None:
    await on_at(stand, 55.0)
    for channel in ("CH01", "CH02"):
        await stand.put(f"{channel}:RAMP_DOWN", 100.0)
    stand.driver.refusing = {1: "ERR busy"}
    if command == "KILL":
        with pytest.raises(DeviceRefused, match=r"^channel 1: ERR busy$"):
            await stand.put(command, 1)
    else:
        await stand.put(command, 1)
    await stand.poll(5)
    assert [stand.driver.readings[channel].on for channel in (1, 2)] == [True, False]
    assert why(stand, "CH01:ENABLE") == "ERR busy"
    assert stand.get("CONNECTED") == 1
    stand.driver.refusing = {}
    await stand.poll(5)
    assert not stand.driver.readings[1].on


async def test_all_on_leaves_out_what_refuses(stand: Stand) -> None:
    await stand.poll()
    await stand.put("CH01:BIAS", 55.0)
    await stand.put("CH02:BIAS", 55.0)
    stand.driver.refusing = {1: "ERR card missing"}
    await stand.put("ALL_ON", 1)
    await stand.poll()
    assert why(stand, "CH01:ENABLE") == "ERR card missing"
    assert (stand.get("CH01:ENABLE"), stand.get("CH02:ENABLE"), stand.get("CH02:ENABLE_RBV")) == (0, 1, 1)


async def test_a_device_that_refuses_every_command_is_polled_as_ever(stand: Stand) -> None:
    await on_at(stand, 55.0)
    stand.driver.refusal = DeviceRefused("ERR locked")
    for pv, value in (("CH01:BIAS", 54.0), ("CH01:ENABLE", 0), ("CH02:ENABLE", 0), ("ALL_OFF", 1)):
        await stand.put(pv, value)
    for pv in ("SLEW_RATE", "KILL"):
        with pytest.raises(DeviceRefused, match="ERR locked"):
            await stand.put(pv, 1)
    await stand.poll(10)
    assert (stand.get("CONNECTED"), stand.get("COMM_ERRORS")) == (1, 0)
    assert stand.alarm("CH01:VMON_RBV") == GOOD


async def test_a_refused_setpoint_is_never_gone_to_whatever_the_limits_say_later(stand: Stand) -> None:
    await stand.poll()
    for pv, value in (("BIAS", 55.0), ("VBR", 52.0), ("OVERVOLTAGE_LIMIT", 6.0), ("RAMP_UP", 100.0), ("RAMP_DOWN", 100.0)):
        await stand.put(f"CH01:{pv}", value)
    with pytest.raises(DeviceRefused, match=r"^overvoltage 23\.10 V, limit is 6 V$"):
        await stand.put("CH01:BIAS", 75.1)
    await stand.put("CH01:OVERVOLTAGE_LIMIT", 30.0)
    for command in ("CH01:ENABLE", "ALL_ON"):
        with contextlib.suppress(DeviceRefused):
            await stand.put(command, 1)
        await stand.poll(3)
        assert not stand.driver.readings[1].on, command
    assert stand.driver.readings[2].on
    with pytest.raises(DeviceRefused, match=r"^BIAS 75\.1 V was refused; set another$"):
        await stand.put("CH01:ENABLE", 1)
    await stand.put("CH01:BIAS", 56.0)
    await stand.put("CH01:ENABLE", 1)
    await stand.poll(4)
    assert stand.get("CH01:BIAS_RBV") == 56.0
    stand.driver.refusing = {1: "ERR busy"}
    await stand.put("CH01:BIAS", 57.0)
    await stand.poll(2)
    assert why(stand, "CH01:BIAS") == "ERR busy"
    stand.driver.refusing = {}
    await stand.put("CH01:ENABLE", 0)
    await stand.poll(6)
    assert ("bias", {1: 57.0}) not in stand.driver.calls[-2:], "nor is it given to the device at switching off"
    with pytest.raises(DeviceRefused, match=r"^BIAS 57 V was refused; set another$"):
        await stand.put("CH01:ENABLE", 1)
