"""The state machine of a channel: each transition, and the laws that must never break."""

from __future__ import annotations

from contextlib import nullcontext as does_not_raise
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iocs import fsm
from iocs.drivers.driver import ChannelReading
from iocs.fsm import Channel, SetBias, SwitchOff, SwitchOn
from iocs.ramp import Rates
from sipmdcs.channelstate import ChannelState, TripCause
from sipmdcs.errors import DeviceRefused, WireError
from tests.iocs.controller.bench import OFF, ON, SETTINGS, TRAITS, Bench


@pytest.mark.parametrize(
    ("bias_V", "temperature_C", "shift_V", "allowed"),
    [
        (57.0, 25.0, 0.0, True),
        (57.5, 25.0, 0.0, False),
        (57.5, 35.0, 0.0, True),  # breakdown rises with temperature
        (57.0, 15.0, 0.0, False),
        (57.0, None, 0.0, True),
        (57.5, None, 0.0, False),
        (57.0, 25.0, 0.5, False),  # the module adds to the setpoint
    ],
)
@pytest.mark.parametrize("command", ["on", "bias"])
def test_a_set_point_too_far_above_breakdown_is_refused(
    command: str, bias_V: float, temperature_C: float | None, shift_V: float, allowed: bool
) -> None:
    settings = replace(SETTINGS, bias_V=bias_V, vbr_slope=54.0, overvoltage_limit_V=5.2)
    bench = Bench(replace(OFF, temperature_C=temperature_C, shift_V=shift_V), settings)
    expected = does_not_raise() if allowed else pytest.raises(DeviceRefused, match=r"overvoltage .* V, limit is 5\.2 V")
    with expected:
        bench.on() if command == "on" else bench.bias(bias_V)
    assert bool(bench.actions) is allowed


def test_a_set_point_that_was_refused_is_not_given_to_the_device_at_switch_off_either() -> None:
    bench = Bench(ON, replace(SETTINGS, overvoltage_limit_V=6.0))
    with pytest.raises(DeviceRefused):
        bench.bias(70.0)
    bench.off()
    while bench.poll() is not ChannelState.OFF:
        pass
    assert SwitchOff() in bench.actions
    assert SetBias(70.0) not in bench.actions


def test_before_the_first_reading_it_is_disconnected() -> None:
    assert Channel().state is ChannelState.DISCONNECTED


@pytest.mark.parametrize(
    ("reading", "state"),
    [
        (OFF, ChannelState.OFF),
        (ON, ChannelState.ON),
        (replace(ON, bias_V=50.0, vmon_V=50.0), ChannelState.STANDBY),
        (replace(ON, temperature_C=None), ChannelState.ON),
        (replace(ON, fault="sensor unplugged"), ChannelState.ERROR),
        (replace(ON, moving=True, vmon_V=20.0), ChannelState.RAMPING_UP),
        (replace(ON, moving=True, vmon_V=60.0), ChannelState.RAMPING_DOWN),
        (replace(ON, moving=False, vmon_V=20.0), ChannelState.STANDBY),
    ],
)
def test_what_is_found_is_shown_and_left_alone(reading: ChannelReading, state: ChannelState) -> None:
    bench = Bench(reading)
    assert bench.channel.state is state
    assert bench.actions == []


def test_breakdown_follows_the_temperature() -> None:
    settings = replace(SETTINGS, vbr_slope=54.0)
    assert Bench(replace(ON, vmon_V=52.3, bias_V=52.3), settings).channel.state is ChannelState.ON
    assert Bench(replace(ON, vmon_V=52.3, bias_V=52.3, temperature_C=35.0), settings).channel.state is ChannelState.STANDBY


def test_on_ramps_up_in_steps() -> None:
    bench = Bench()
    bench.on()
    assert bench.actions == [SwitchOn(0.0)]
    states = bench.states(13)
    assert states[:11] == [ChannelState.RAMPING_UP] * 11
    assert states[-1] is ChannelState.ON
    steps = [action.volts for action in bench.actions if isinstance(action, SetBias)]
    assert steps == [5.0 * n for n in range(1, 12)] + [57.0]


def test_off_ramps_down_switches_off_and_leaves_the_set_point() -> None:
    bench = Bench(ON)
    bench.off()
    assert bench.states(6)[:5] == [ChannelState.RAMPING_DOWN] * 5
    bench.states(3)
    assert bench.channel.state is ChannelState.OFF
    assert bench.actions[-2:] == [SwitchOff(), SetBias(57.0)]
    assert bench.channel.trip is TripCause.NONE


def test_a_device_with_a_slow_enough_slew_rate_gets_the_target_at_once() -> None:
    bench = Bench(settings=replace(SETTINGS, rates=Rates(5.0, 5.0, 5.0)))
    bench.on()
    assert bench.actions == [SwitchOn(57.0)]


def test_new_set_point_while_on_is_ramped_to() -> None:
    bench = Bench(ON)
    bench.bias(60.0)
    assert bench.actions == []
    bench.states(3)
    assert bench.actions == [SetBias(60.0)]
    bench.bias(40.0)
    assert bench.poll() is ChannelState.RAMPING_DOWN
    bench.states(3)
    assert bench.actions[-1] == SetBias(40.0)
    assert bench.channel.state is ChannelState.STANDBY


def test_new_set_point_while_off_goes_to_the_device() -> None:
    bench = Bench()
    bench.bias(55.0)
    assert bench.actions == [SetBias(55.0)]
    assert bench.poll() is ChannelState.OFF


def test_new_set_point_while_switching_off_is_for_later() -> None:
    bench = Bench(ON)
    bench.off()
    bench.poll()
    bench.bias(55.0)
    bench.states(8)
    assert bench.channel.state is ChannelState.OFF
    assert bench.actions[-1] == SetBias(55.0)


def test_on_again_while_switching_off() -> None:
    bench = Bench(ON)
    bench.off()
    bench.states(2)
    bench.on()
    bench.states(8)
    assert bench.channel.state is ChannelState.ON
    assert SwitchOff() not in bench.actions


@pytest.mark.parametrize("polls", range(12))
def test_on_again_at_any_moment_of_switching_off(polls: int) -> None:
    """Also between the switch-off and the poll that would show it: the last reading is older than the command."""
    bench = Bench(ON)
    bench.off()
    bench.states(polls)
    bench.on()
    bench.states(20)
    assert bench.channel.state is ChannelState.ON
    assert bench.reading.vmon_V == 57.0
    assert bench.channel.trip is TripCause.NONE


def test_on_again_right_after_a_kill() -> None:
    bench = Bench(ON)
    bench.channel, actions = fsm.kill(bench.channel, bench.now)
    bench.obey(actions)
    bench.on()
    bench.states(20)
    assert bench.channel.state is ChannelState.ON
    assert bench.channel.trip is TripCause.NONE


def test_new_set_point_right_after_a_kill_goes_to_the_device() -> None:
    bench = Bench(ON)
    bench.channel, actions = fsm.kill(bench.channel, bench.now)
    bench.obey(actions)
    bench.bias(55.0)
    assert bench.poll() is ChannelState.OFF
    assert bench.reading.bias_V == 55.0


TRIPS = [
    (replace(ON, current_uA=50.1), TripCause.OVER_CURRENT),
    (replace(ON, over_current=True), TripCause.OVER_CURRENT),
    (replace(ON, vmon_V=82.5), TripCause.OVER_VOLTAGE),
    (replace(ON, temperature_C=60.5), TripCause.OVER_TEMPERATURE),
    (OFF, TripCause.HARDWARE),
]


@pytest.mark.parametrize(("reading", "cause"), TRIPS)
def test_trips(reading: ChannelReading, cause: TripCause) -> None:
    bench = Bench(ON)
    assert bench.poll(reading) is ChannelState.TRIPPED
    assert (bench.channel.trip, bench.channel.last_cause, bench.channel.wanted) == (cause, cause, False)
    assert bench.actions == ([SwitchOff()] if reading.on else [])
    bench.poll(replace(OFF, vmon_V=0.0))
    with pytest.raises(DeviceRefused, match=f"tripped: {cause.text}"):
        bench.on()
    bench.reset()
    assert bench.channel.state is ChannelState.OFF
    assert bench.channel.last_cause is cause
    assert bench.poll() is ChannelState.OFF
    assert SwitchOn not in map(type, bench.actions)
    bench.on()


def test_an_output_that_comes_back_after_a_trip_is_switched_off_again() -> None:
    bench = Bench(ON)
    bench.poll(replace(ON, over_current=True))
    bench.actions.clear()
    assert bench.poll(ON) is ChannelState.TRIPPED
    assert bench.actions == [SwitchOff()]


@pytest.mark.parametrize(
    ("reading", "message"),
    [
        (replace(OFF, over_current=True), "over-current is still present"),
        (replace(OFF, vmon_V=83.0), "over-voltage is still present"),
    ],
)
def test_reset_only_when_the_cause_is_gone(reading: ChannelReading, message: str) -> None:
    bench = Bench(ON)
    bench.poll(replace(ON, current_uA=100.0))
    bench.poll(reading)
    with pytest.raises(DeviceRefused, match=message):
        bench.reset()
    assert bench.channel.trip is TripCause.OVER_CURRENT


def test_output_that_does_not_come_on() -> None:
    bench = Bench()
    bench.on()
    assert bench.poll(OFF) is not ChannelState.TRIPPED
    bench.poll(OFF)
    assert bench.poll(OFF) is ChannelState.TRIPPED
    assert bench.channel.trip is TripCause.HARDWARE


def test_lost_wire_is_not_off() -> None:
    bench = Bench(ON)
    assert bench.poll(None) is ChannelState.DISCONNECTED
    assert bench.poll(ON) is ChannelState.ON
    assert bench.actions == []


def test_found_off_after_the_wire_was_lost() -> None:
    bench = Bench(ON)
    bench.poll(None)
    assert bench.poll(OFF) is ChannelState.TRIPPED
    assert bench.channel.trip is TripCause.COMMUNICATION


def test_ramp_up_is_not_resumed_after_a_lost_wire_but_ramp_off_is() -> None:
    bench = Bench()
    bench.on()
    bench.states(3)
    bench.poll(None)
    bench.actions.clear()
    bench.states(4)
    assert bench.actions == []
    bench.off()
    bench.poll()
    bench.poll(None)
    bench.states(4)
    assert SwitchOff() in bench.actions


def test_interlock_switches_off_keeps_off_and_needs_a_reset() -> None:
    bench = Bench(ON)
    bench.settings = replace(SETTINGS, interlock=True)
    assert bench.poll() is ChannelState.INTERLOCKED
    assert bench.actions == [SwitchOff()]
    assert bench.channel.trip is TripCause.INTERLOCK
    with pytest.raises(DeviceRefused, match="interlock"):
        bench.on()
    with pytest.raises(DeviceRefused, match="interlock is still present"):
        bench.reset()
    bench.settings = SETTINGS
    assert bench.poll() is ChannelState.TRIPPED
    bench.reset()
    assert bench.poll() is ChannelState.OFF


def test_interlock_on_a_channel_that_is_off_leaves_no_trip() -> None:
    bench = Bench()
    bench.settings = replace(SETTINGS, interlock=True)
    assert bench.poll() is ChannelState.INTERLOCKED
    bench.settings = SETTINGS
    assert bench.poll() is ChannelState.OFF


def test_kill_is_at_once() -> None:
    bench = Bench(ON)
    bench.channel, actions = fsm.kill(bench.channel, bench.now)
    assert actions == (SwitchOff(),)
    bench.reading = replace(OFF, vmon_V=40.0)
    assert bench.poll() is ChannelState.OFF
    assert bench.channel.trip is TripCause.NONE


def test_device_switched_on_by_somebody_else() -> None:
    bench = Bench()
    assert bench.poll(ON, after=10) is ChannelState.ON
    assert bench.channel.wanted is True
    assert bench.poll(OFF) is ChannelState.TRIPPED


def test_set_point_changed_by_somebody_else_is_a_ramp_not_a_deviation() -> None:
    bench = Bench(ON)
    assert bench.poll(replace(ON, bias_V=60.0)) is ChannelState.RAMPING_UP
    assert bench.poll(replace(ON, bias_V=60.0), after=3) is ChannelState.ON


def test_released_channel_adopts_what_it_sees() -> None:
    bench = Bench(ON)
    bench.channel = fsm.release(bench.channel)
    assert bench.poll(OFF) is ChannelState.OFF


@pytest.mark.parametrize("command", [Bench.on, Bench.off, Bench.reset, lambda bench: bench.bias(50.0)])
def test_commands_need_a_connection(command) -> None:
    bench = Bench(ON)
    bench.poll(None)
    with pytest.raises(WireError, match="disconnected"):
        command(bench)


def test_on_without_a_sensible_set_point() -> None:
    floor = replace(TRAITS, floor_V=40.0)
    bench = Bench(settings=replace(SETTINGS, bias_V=0.0, traits=floor))
    with pytest.raises(DeviceRefused, match="BIAS 0 V is below 40 V"):
        bench.on()


def test_off_when_off_does_nothing() -> None:
    bench = Bench()
    bench.off()
    assert bench.actions == []


readings = st.one_of(
    st.none(),
    st.builds(
        ChannelReading,
        on=st.booleans(),
        bias_V=st.floats(0, 90),
        vmon_V=st.one_of(st.none(), st.floats(0, 90)),
        current_uA=st.floats(0, 100),
        temperature_C=st.one_of(st.none(), st.floats(-20, 80)),
        over_current=st.booleans(),
        fault=st.sampled_from(["", "sensor"]),
    ),
)
events = st.one_of(
    readings.map(lambda r: ("poll", r)), st.sampled_from([(c, None) for c in ("on", "off", "interlock", "clear")])
)


@given(st.lists(events, max_size=40))
def test_nothing_switches_on_by_itself_and_a_trip_stays(script: list[tuple[str, ChannelReading | None]]) -> None:
    bench = Bench()
    for event, reading in script:
        tripped = bench.channel.trip
        bench.actions.clear()
        try:
            match event:
                case "poll":
                    bench.poll(reading)
                    assert SwitchOn not in map(type, bench.actions)
                case "on":
                    bench.on()
                    assert tripped is TripCause.NONE
                case "off":
                    bench.off()
                case _:
                    bench.settings = replace(SETTINGS, interlock=event == "interlock")
        except (DeviceRefused, WireError):
            assert bench.actions == []
        if tripped is not TripCause.NONE:
            assert bench.channel.trip is tripped
            assert all(isinstance(action, SwitchOff) for action in bench.actions)
