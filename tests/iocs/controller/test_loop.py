"""The controller loop: what a poll publishes, what a lost wire shows, what is done without being asked."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from typing import Any

import pytest

from iocs.controller import AFTER_COMMAND_S, Controller
from iocs.controller_records import records_of
from sipmdcs.channelstate import ChannelState
from sipmdcs.errors import BadInput, DeviceRefused, ServiceError, WireError
from sipmdcs.severity import Severity, Status
from tests.iocs.controller.conftest import Stand

GOOD = (Severity.NO_ALARM, Status.NO_ALARM)
LOST = (Severity.INVALID, Status.COMM)


async def test_first_poll(stand) -> None:
    stand.driver.change(1, on=True, vmon_V=50.1, current_uA=0.2, temperature_C=30.0, bias_V=50.0)
    await stand.poll()
    assert stand.get("CONNECTED") == 1
    assert (stand.get("MODEL"), stand.get("FIRMWARE")) == ("MODEL-X", "1.0")
    assert stand.get("SERIAL") == "S" * 39
    assert stand.get("CH01:BIAS_RBV") == 50.0
    assert stand.get("CH01:VMON_RBV") == 50.1
    assert stand.get("CH01:CURRENT_RBV") == 0.2
    assert stand.get("CH01:ENABLE_RBV") == 1
    assert stand.get("CH01:OVERVOLTAGE_RBV") == pytest.approx(50.1 - 52.5 - 0.054 * 5)
    assert stand.get("CH01:VDEV_RBV") == pytest.approx(100)
    assert (stand.get("CH01:STATE"), stand.get("CH02:STATE")) == (ChannelState.STANDBY, ChannelState.OFF)
    assert (stand.get("N_ON"), stand.get("N_TRIPPED"), stand.get("STATE")) == (1, 0, ChannelState.STANDBY)
    assert stand.get("VMON_RBV_WF") == [50.1, 0.0]
    assert stand.get("STATE_WF") == [ChannelState.STANDBY, ChannelState.OFF]
    assert stand.get("SEVERITY_WF") == [0, 0]
    assert stand.get("HEARTBEAT") == 1
    assert stand.driver.calls == []


async def test_all_readings_of_a_poll_go_out_together(stand) -> None:
    await stand.poll()
    stand.publisher.posts.clear()
    await stand.poll()
    full = [post for post in stand.publisher.posts if "DET:SUB:HV01:CH01:VMON_RBV" in post]
    assert len(full) == 1
    assert {"DET:SUB:HV01:CH02:VMON_RBV", "DET:SUB:HV01:HEARTBEAT", "DET:SUB:HV01:VMON_RBV_WF"} <= full[0].keys()


async def test_set_points_without_value_come_from_the_hardware_and_others_stay(stand) -> None:
    stand.driver.change(1, on=True, bias_V=57.0, vmon_V=57.0)
    await stand.put("CH02:RAMP_UP", 7.0)
    await stand.poll()
    assert (stand.get("CH01:BIAS"), stand.get("CH01:ENABLE"), stand.get("HV_ON")) == (57.0, 1, 1)
    assert (stand.get("CH02:BIAS"), stand.get("CH02:ENABLE")) == (50.0, 0)
    assert stand.get("CH02:RAMP_UP") == 7.0
    assert stand.alarm("CH02:MASK") == GOOD
    assert stand.driver.calls == []


async def test_restored_set_points_are_neither_written_nor_overwritten(stand) -> None:
    stand.publisher.values["DET:SUB:HV01:CH01:BIAS"] = 56.0
    stand.publisher.alarms["DET:SUB:HV01:CH01:BIAS"] = GOOD
    await stand.poll(3)
    assert stand.get("CH01:BIAS") == 56.0
    assert stand.get("CH01:BIAS_RBV") == 50.0
    assert stand.driver.calls == []


async def test_three_missed_polls_make_readbacks_invalid(stand) -> None:
    await stand.poll()
    stand.driver.fault = WireError("no reply")
    await stand.poll(2)
    assert stand.alarm("CH01:VMON_RBV") == GOOD
    assert (stand.get("CONNECTED"), stand.get("CH01:STATE")) == (1, ChannelState.OFF)
    assert (stand.get("COMM_ERRORS"), stand.get("LAST_ERROR")) == (2, "no reply")
    stand.publisher.messages.clear()
    await stand.poll()
    assert {stand.publisher.alarms[name] for name in stand.publisher.messages} == {LOST}, "not even for a moment"
    for pv in ("CH01:VMON_RBV", "CH02:TEMP_RBV", "CH01:ENABLE_RBV", "VMON_RBV_WF", "LATENCY"):
        assert stand.alarm(pv) == LOST
    assert (stand.get("CONNECTED"), stand.get("STATE"), stand.get("CH01:STATE")) == (0, 0, 0)
    assert stand.get("STATE_WF") == [0, 0]
    assert stand.get("SEVERITY_WF") == [3, 3]
    assert stand.get("N_ON") == 0
    heartbeat = stand.get("HEARTBEAT")
    await stand.poll()
    assert stand.get("HEARTBEAT") == heartbeat + 1


async def test_reconnect_reads_everything_again(stand) -> None:
    await stand.poll()
    stand.driver.fault = WireError("no reply")
    await stand.poll(4)
    stand.driver.fault = None
    stand.driver.change(1, bias_V=51.0)
    await stand.poll()
    assert stand.driver.opened == 2
    assert (stand.get("CONNECTED"), stand.get("CH01:STATE")) == (1, ChannelState.OFF)
    assert stand.get("CH01:BIAS_RBV") == 51.0
    assert stand.alarm("CH01:VMON_RBV") == GOOD
    assert stand.driver.calls == []


async def test_never_connected(stand) -> None:
    stand.driver.fault = ServiceError("no simulator: /x/HV01.json cannot be read")
    await stand.poll(3)
    assert stand.get("CONNECTED") == 0
    assert stand.alarm("CH01:VMON_RBV") == LOST
    assert stand.get("LAST_ERROR") == "no simulator: /x/HV01.json cannot be re"


async def test_flaws_that_were_survived_are_counted(stand) -> None:
    stand.driver.flaws = ["7 bytes of garbage skipped", "HPO: bad checksum"]
    await stand.poll()
    assert (stand.get("COMM_ERRORS"), stand.get("LAST_ERROR")) == (2, "HPO: bad checksum")
    assert stand.get("CONNECTED") == 1


async def test_power_cycle_is_told_and_the_device_identified_again(stand) -> None:
    await stand.poll()
    stand.driver.cycled = True
    stand.publisher.values["DET:SUB:HV01:MODEL"] = ""
    await stand.poll()
    assert "power-cycled" in stand.get("LAST_ERROR")
    assert stand.get("MODEL") == "MODEL-X"


async def test_a_device_that_is_still_booting_after_its_power_cycle_is_asked_what_it_is_again(stand, monkeypatch) -> None:
    await stand.poll()
    stand.driver.cycled = True
    stand.publisher.values["DET:SUB:HV01:MODEL"] = ""
    with monkeypatch.context() as patch:
        patch.setattr(stand.driver, "identify", raising(WireError("HGS: no reply")))
        await stand.poll()
    assert (stand.get("LAST_ERROR"), stand.get("MODEL")) == ("HGS: no reply", "")
    await stand.poll()
    assert stand.get("MODEL") == "MODEL-X"


async def test_over_current_trips_within_one_poll(stand) -> None:
    await stand.poll()
    await stand.put("CH01:BIAS", 55.0)
    await stand.put("CH01:ENABLE", 1)
    await stand.poll(15)
    assert (stand.get("CH01:STATE"), stand.get("CH01:ENABLE")) == (ChannelState.ON, 1)
    stand.driver.calls.clear()
    stand.driver.change(1, current_uA=51.0)
    await stand.poll()
    assert stand.driver.calls == [("off", frozenset({1}))]
    assert (stand.get("CH01:STATE"), stand.get("CH01:TRIP"), stand.get("CH01:TRIP_CAUSE")) == (ChannelState.TRIPPED, 1, 1)
    assert stand.get("CH01:ENABLE") == 0
    assert stand.get("N_TRIPPED") == 1
    await stand.poll(3)
    assert not stand.driver.readings[1].on


async def test_off_that_failed_is_tried_again(stand) -> None:
    stand.driver.change(1, on=True, bias_V=55.0, vmon_V=55.0)
    await stand.poll()
    stand.driver.change(1, current_uA=51.0)
    stand.driver.refusal = WireError("no reply")
    await stand.poll()
    assert stand.driver.readings[1].on
    stand.driver.refusal = None
    await stand.poll()
    assert not stand.driver.readings[1].on
    assert stand.get("CH01:TRIP") == 1


async def test_step_that_failed_is_tried_again(stand) -> None:
    stand.driver.change(1, on=True, bias_V=50.0, vmon_V=50.0)
    await stand.poll()
    await stand.put("CH01:BIAS", 57.0)
    await stand.poll()
    stand.driver.refusal = WireError("no reply")
    await stand.poll()
    stand.driver.refusal = None
    await stand.poll(3)
    assert stand.driver.readings[1].bias_V == 57.0
    assert stand.get("COMM_ERRORS") == 1


async def test_what_the_device_does_not_say_is_invalid(stand) -> None:
    stand.driver.change(1, temperature_C=None)
    del stand.driver.readings[2]
    await stand.poll()
    assert stand.alarm("CH01:TEMP_RBV") == (Severity.INVALID, Status.READ)
    assert stand.alarm("CH01:OVERVOLTAGE_RBV") == (Severity.INVALID, Status.READ)
    assert stand.alarm("CH01:VMON_RBV") == GOOD
    assert stand.alarm("CH02:VMON_RBV") == (Severity.INVALID, Status.READ)
    assert stand.get("CH02:STATE") == ChannelState.DISCONNECTED
    assert math.isnan(stand.get("TEMP_RBV_WF")[0])
    assert stand.get("SEVERITY_WF") == [3, 3]


async def test_masked_channels_are_left_out_of_sums(stand) -> None:
    stand.driver.change(1, on=True, current_uA=99.0)
    await stand.poll()
    assert (stand.get("N_TRIPPED"), stand.get("STATE")) == (1, ChannelState.TRIPPED)
    await stand.put("CH01:MASK", 1)
    await stand.poll()
    assert (stand.get("N_TRIPPED"), stand.get("STATE"), stand.get("SEVERITY_WF")[0]) == (0, ChannelState.OFF, 0)
    assert stand.get("CH01:TRIP") == 1


async def test_run_polls_at_its_period_and_stops(stand) -> None:
    await stand.put("POLL_PERIOD", 0.01)
    task = asyncio.create_task(stand.controller.run())
    while stand.get("HEARTBEAT") < 5:  # noqa: ASYNC110 - a record, not an event
        await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def test_a_template_without_a_needed_set_point_is_refused(stand) -> None:
    records = [record for record in stand.publisher.records.values() if not record.name.endswith(":CURRENT_LIMIT")]
    with pytest.raises(BadInput, match="HV01 channel 1: no record is bound to CURRENT_LIMIT"):
        records_of("HV01", records)


def test_two_records_on_one_parameter_are_refused(stand) -> None:
    records = list(stand.publisher.records.values())
    with pytest.raises(BadInput, match="parameter CONNECTED of HV01 is already bound"):
        records_of("HV01", [*records, records[0]])


def test_records_of_other_controllers_are_not_taken(stand) -> None:
    assert not records_of("HV02", stand.publisher.records.values()).names
    assert isinstance(stand.controller, Controller)


def raising(problem: Exception) -> Callable[..., Any]:
    def method(*_: Any) -> Any:
        raise problem

    return method


DIVISION = ZeroDivisionError("division by zero"), "ZeroDivisionError: division by zero"
NEXT = StopIteration(), "RuntimeError: it raised StopIteration()"
"""Of ``next`` on an iterator without items: a future does not take it, and its waiter would wait for ever."""


@pytest.mark.parametrize(
    ("methods", "fault"),
    [
        (("poll",), DIVISION),
        (("poll",), NEXT),
        (("poll", "close"), DIVISION),
        (("poll", "take_flaws"), DIVISION),
        (("slew_rate",), DIVISION),
    ],
)
async def test_a_fault_in_a_driver_is_a_missed_poll(
    stand: Stand,
    methods: tuple[str, ...],
    fault: tuple[Exception, str],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    problem, shown = fault
    await stand.poll()
    with monkeypatch.context() as patch:
        for method in methods:
            patch.setattr(stand.driver, method, raising(problem))
        await stand.poll(3)
    assert stand.alarm("CH01:VMON_RBV") == LOST
    assert stand.get("LAST_ERROR") == shown
    assert "HV01: poll failed" in caplog.text
    await stand.poll()
    assert (stand.get("CONNECTED"), stand.alarm("CH01:VMON_RBV")) == (1, GOOD)


@pytest.mark.parametrize(("pv", "value"), [("KILL", 1), ("CH01:ENABLE", 1), ("POLL_PERIOD", 50.0)])
async def test_a_command_does_not_wait_for_the_next_poll_to_show(stand: Stand, pv: str, value: float) -> None:
    await stand.put("POLL_PERIOD", 60.0)
    loop = asyncio.create_task(stand.controller.run())
    try:
        await stand.heartbeat(1)
        await stand.put(pv, value)
        await stand.heartbeat(2)
    finally:
        loop.cancel()
        await asyncio.wait([loop])


async def test_refused_commands_do_not_hurry(stand: Stand) -> None:
    await stand.put("POLL_PERIOD", 60.0)
    loop = asyncio.create_task(stand.controller.run())
    try:
        await stand.heartbeat(1)
        stand.driver.refusal = DeviceRefused("no")
        for _ in range(3):
            with pytest.raises(DeviceRefused):
                await stand.put("KILL", 1)
        await asyncio.sleep(2 * AFTER_COMMAND_S)
        assert stand.get("HEARTBEAT") == 1
    finally:
        loop.cancel()
        await asyncio.wait([loop])
