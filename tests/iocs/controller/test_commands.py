"""What writes of clients do."""

from __future__ import annotations

import pytest

from sipmdcs.channelstate import ChannelState
from sipmdcs.errors import DeviceRefused, WireError


async def test_bias_of_a_channel_that_is_off_goes_to_the_device_at_once(stand) -> None:
    await stand.poll()
    await stand.put("CH01:BIAS", 57.86)
    assert stand.driver.calls == [("bias", {1: 57.86})]
    await stand.poll()
    assert stand.get("CH01:BIAS_RBV") == 57.86


async def test_enable_and_disable(stand) -> None:
    await stand.poll()
    await stand.put("CH01:BIAS", 57.0)
    await stand.put("CH01:RAMP_UP", 20.0)
    await stand.put("CH01:RAMP_DOWN", 20.0)
    await stand.put("CH01:ENABLE", 1)
    await stand.poll(5)
    assert (stand.get("CH01:STATE"), stand.get("CH01:VMON_RBV"), stand.get("CH02:STATE")) == (
        ChannelState.ON,
        57.0,
        ChannelState.OFF,
    )
    await stand.put("CH01:ENABLE", 0)
    await stand.poll(6)
    assert (stand.get("CH01:STATE"), stand.get("CH01:BIAS_RBV"), stand.get("CH01:ENABLE")) == (ChannelState.OFF, 57.0, 0)


async def test_refused_enable_shows_what_is(stand) -> None:
    await stand.poll()
    stand.driver.refusal = DeviceRefused("ERR - card missing")
    with pytest.raises(DeviceRefused, match=r"^ERR - card missing$"):
        await stand.put("CH01:ENABLE", 1)
    assert stand.get("CH01:ENABLE") == 0
    stand.driver.refusal = None
    await stand.poll()
    assert stand.get("CH01:STATE") == ChannelState.OFF


async def test_all_on_takes_masked_and_tripped_channels_out(stand) -> None:
    stand.driver.change(1, on=True, current_uA=99.0)
    await stand.poll(2)
    await stand.put("ALL_ON", 1)
    assert ("on", {2: 0.0}) in stand.driver.calls
    assert (stand.get("ALL_ON"), stand.get("CH01:ENABLE"), stand.get("CH02:ENABLE")) == (0, 0, 1)
    await stand.put("CH02:MASK", 1)
    await stand.poll()
    with pytest.raises(DeviceRefused, match=r"^channel 1: tripped: over-current; reset it$"):
        await stand.put("ALL_ON", 1)


async def test_all_off_ramps_and_kill_does_not(stand) -> None:
    for channel in (1, 2):
        stand.driver.change(channel, on=True, bias_V=57.0, vmon_V=57.0)
    await stand.poll()
    await stand.put("ALL_OFF", 1)
    await stand.poll()
    assert stand.get("STATE") == ChannelState.RAMPING_DOWN
    assert stand.driver.readings[1].on
    await stand.put("KILL", 1)
    assert stand.driver.calls[-1] == ("all off",)
    await stand.poll()
    assert (stand.get("STATE"), stand.get("N_TRIPPED"), stand.get("KILL"), stand.get("ALL_OFF")) == (ChannelState.OFF, 0, 0, 0)


async def test_a_card_that_is_missing_keeps_no_other_from_being_switched(stand) -> None:
    await stand.poll()
    del stand.driver.readings[2]
    await stand.poll()
    await stand.put("ALL_ON", 1)
    assert stand.driver.readings[1].on
    with pytest.raises(WireError, match=r"^channel 2: disconnected$"):
        await stand.put("ALL_OFF", 1)
    await stand.poll(20)
    assert not stand.driver.readings[1].on
    await stand.put("CH02:MASK", 1)
    await stand.put("ALL_OFF", 1)


async def test_interlock(stand) -> None:
    stand.driver.change(1, on=True, bias_V=57.0, vmon_V=57.0)
    await stand.poll()
    await stand.put("INTERLOCK", 1)
    assert stand.driver.calls == [("all off",)]
    await stand.poll()
    assert (stand.get("STATE"), stand.get("CH01:TRIP_CAUSE"), stand.get("CH01:ENABLE")) == (ChannelState.INTERLOCKED, 4, 0)
    with pytest.raises(DeviceRefused, match="interlock is active"):
        await stand.put("CH02:ENABLE", 1)
    await stand.put("INTERLOCK", 0)
    await stand.poll()
    assert (stand.get("CH01:STATE"), stand.get("CH02:STATE")) == (ChannelState.TRIPPED, ChannelState.OFF)
    await stand.put("CH01:TRIP_RESET", 1)
    await stand.poll()
    assert (stand.get("CH01:STATE"), stand.get("CH01:TRIP"), stand.get("CH01:TRIP_RESET")) == (ChannelState.OFF, 0, 0)
    assert not stand.driver.readings[1].on


async def test_trip_reset_while_the_cause_is_there(stand) -> None:
    await stand.poll()
    stand.driver.change(1, over_current=True)
    await stand.poll()
    with pytest.raises(DeviceRefused, match=r"^over-current is still present$"):
        await stand.put("CH01:TRIP_RESET", 1)
    assert (stand.get("CH01:TRIP"), stand.get("CH01:TRIP_RESET")) == (1, 0)


async def test_parameters_of_this_kind_go_to_the_driver(stand) -> None:
    stand.driver.change(1, on=True, bias_V=57.0, vmon_V=57.0)
    await stand.poll()
    await stand.put("SLEW_RATE", 20)
    await stand.put("HV_ON", 0)
    assert stand.driver.calls == [("write", 0, "SLEW_RATE", 20), ("write", 0, "HV_ON", 0)]
    stand.driver.change(1, on=False, vmon_V=0.0)
    await stand.poll()
    assert (stand.get("CH01:STATE"), stand.get("CH01:TRIP")) == (ChannelState.OFF, 0)


async def test_a_bias_beyond_the_overvoltage_limit_never_reaches_the_device(stand) -> None:
    await stand.poll()
    await stand.put("CH01:BIAS", 60.0)
    stand.driver.calls.clear()
    await stand.put("CH01:OVERVOLTAGE_LIMIT", 6.0)
    with pytest.raises(DeviceRefused, match=r"^overvoltage 7\.50 V, limit is 6 V$"):
        await stand.put("CH01:BIAS", 60.0)
    with pytest.raises(DeviceRefused, match="limit is 6 V"):
        await stand.put("CH01:ENABLE", 1)
    assert stand.get("CH01:ENABLE") == 0
    assert stand.driver.calls == []
    await stand.put("CH01:BIAS", 58.0)
    assert stand.driver.calls == [("bias", {1: 58.0})]


async def test_limits_and_rates_need_no_device(stand) -> None:
    stand.driver.fault = WireError("no reply")
    await stand.poll(3)
    for pv in ("CH01:CURRENT_LIMIT", "CH01:RAMP_UP", "CH01:VBR", "CH01:MASK", "POLL_PERIOD"):
        await stand.put(pv, 1)


@pytest.mark.parametrize("pv", ["CH01:BIAS", "CH01:ENABLE", "ALL_ON", "ALL_OFF", "KILL", "CH01:TRIP_RESET", "SLEW_RATE"])
async def test_commands_to_a_lost_controller_are_refused(stand, pv: str) -> None:
    await stand.poll()
    stand.driver.fault = WireError("console: not connected")
    await stand.poll(3)
    with pytest.raises(WireError, match="connected"):
        await stand.put(pv, 1)


async def test_interlock_of_a_lost_controller_acts_when_it_is_back(stand) -> None:
    stand.driver.change(1, on=True, bias_V=57.0, vmon_V=57.0)
    await stand.poll()
    stand.driver.fault = WireError("no reply")
    await stand.poll(3)
    await stand.put("INTERLOCK", 1)
    stand.driver.fault = None
    await stand.poll()
    assert not stand.driver.readings[1].on
    assert stand.get("CH01:STATE") == ChannelState.INTERLOCKED


@pytest.mark.parametrize("missed", [1, 4])
async def test_a_kill_that_did_not_reach_the_device_is_repeated_and_ends_the_ramp(stand, missed: int) -> None:
    await stand.poll()
    await stand.put("CH01:BIAS", 57.0)
    await stand.put("CH01:RAMP_UP", 1.0)
    await stand.put("CH01:ENABLE", 1)
    await stand.poll(3)
    stand.driver.fault = WireError("console: no reply")
    with pytest.raises(WireError, match="no reply"):
        await stand.put("KILL", 1)
    assert (stand.get("CH01:ENABLE"), stand.get("KILL")) == (0, 0)
    await stand.poll(missed)
    stand.driver.fault = None
    stand.driver.calls.clear()
    await stand.poll(2)
    assert stand.driver.calls[0] == ("off", frozenset({1}))
    assert (stand.driver.readings[1].on, stand.get("CH01:STATE"), stand.get("CH01:TRIP")) == (False, ChannelState.OFF, 0)
