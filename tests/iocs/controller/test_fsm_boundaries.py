"""The state machine at its limits: what trips, moves, arrives and is refused at exactly which value and time."""

from __future__ import annotations

from dataclasses import replace
from math import inf, nextafter

import pytest

from iocs import fsm
from iocs.drivers.driver import ChannelReading
from iocs.fsm import Channel, SetBias, Settings, SwitchOff, SwitchOn, observe
from iocs.ramp import Ramp, Rates
from sipmdcs.channelstate import ChannelState, TripCause
from sipmdcs.errors import DeviceRefused, WireError
from tests.iocs.controller.bench import OFF, ON, SETTINGS, TRAITS, Bench

NOW = 100.0
BELOW, ABOVE = -inf, inf


def just(limit: float, side: float) -> float:
    return nextafter(limit, side)


HELD = Channel(ChannelState.ON, wanted=True, seen=ON)
AWAY = Channel(ChannelState.OFF, wanted=False, seen=OFF)


def seen(channel: Channel, reading: ChannelReading, settings: Settings = SETTINGS) -> Channel:
    return observe(channel, reading, settings, NOW)[0]


@pytest.mark.parametrize(
    ("reading", "cause"),
    [
        (replace(ON, current_uA=50.0), TripCause.NONE),
        (replace(ON, current_uA=just(50.0, ABOVE)), TripCause.OVER_CURRENT),
        (replace(ON, current_uA=None), TripCause.NONE),
        (replace(OFF, current_uA=51.0), TripCause.NONE),
        (replace(OFF, over_current=True), TripCause.OVER_CURRENT),
        (replace(ON, vmon_V=82.0), TripCause.NONE),
        (replace(ON, vmon_V=just(82.0, ABOVE)), TripCause.OVER_VOLTAGE),
        (replace(OFF, vmon_V=83.0), TripCause.OVER_VOLTAGE),
        (replace(ON, vmon_V=None), TripCause.NONE),
        (replace(ON, temperature_C=60.0), TripCause.NONE),
        (replace(ON, temperature_C=just(60.0, ABOVE)), TripCause.OVER_TEMPERATURE),
        (replace(ON, temperature_C=None), TripCause.NONE),
        (replace(OFF, temperature_C=61.0), TripCause.NONE),
    ],
)
def test_limits_trip_when_they_are_exceeded(reading: ChannelReading, cause: TripCause) -> None:
    channel = HELD if reading.on else AWAY
    after, actions = observe(channel, reading, SETTINGS, NOW)
    assert (after.trip, after.last_cause) == (cause, cause)
    assert actions == ((SwitchOff(),) if reading.on and cause is not TripCause.NONE else ())
    assert after.told_off is bool(actions)


def test_a_current_that_is_not_known_trips_at_no_limit() -> None:
    assert seen(HELD, replace(ON, current_uA=None), replace(SETTINGS, current_limit_uA=0.0)).trip is TripCause.NONE


def test_an_interlock_is_the_cause_before_all_others_and_only_of_what_is_on() -> None:
    closed = replace(SETTINGS, interlock=True)
    assert seen(HELD, replace(ON, current_uA=99.0), closed).trip is TripCause.INTERLOCK
    assert seen(AWAY, OFF, closed).trip is TripCause.NONE
    assert seen(AWAY, OFF, closed).state is ChannelState.INTERLOCKED
    assert seen(replace(HELD, trip=TripCause.HARDWARE), ON).last_cause is TripCause.NONE, "the first cause stays"


@pytest.mark.parametrize(
    ("channel", "trips"),
    [
        (replace(HELD, busy_until=NOW + 1), True),  # it was on
        (replace(HELD, busy_until=NOW + 1, told_off=True), False),
        (replace(HELD, seen=OFF, busy_until=just(NOW, ABOVE)), False),  # it may still be switching on
        (replace(HELD, seen=OFF, busy_until=NOW), True),
        (replace(HELD, seen=OFF, busy_until=NOW, wanted=False), False),
    ],
)
def test_an_output_found_off_is_a_trip_unless_it_may_still_come(channel: Channel, trips: bool) -> None:
    assert (seen(channel, OFF).trip is TripCause.HARDWARE) is trips
    lost = replace(channel, state=ChannelState.DISCONNECTED)
    assert (seen(lost, OFF).trip is TripCause.COMMUNICATION) is trips


@pytest.mark.parametrize(
    ("channel", "wanted"),
    [
        (replace(AWAY, busy_until=NOW), True),
        (replace(AWAY, busy_until=just(NOW, ABOVE)), False),  # it may still be switching off
        (replace(AWAY, ramp=Ramp(0.0, 5.0, NOW, then_off=True)), False),
        (replace(AWAY, wanted=None, busy_until=NOW + 5), True),  # whatever is found first
    ],
)
def test_an_output_found_on_is_wanted_unless_it_is_going_off(channel: Channel, wanted: bool) -> None:
    assert seen(channel, ON).wanted is wanted
    assert seen(replace(channel, wanted=None), OFF).wanted is False


@pytest.mark.parametrize(
    ("before_V", "now_V", "busy_until"),
    [
        (57.0, 57.5, 0.0),
        (57.0, just(57.5, ABOVE), NOW + 2.0),
        (57.0, 50.0, NOW + 2.0),
        (None, 50.0, 0.0),
        (57.0, None, 0.0),
    ],
)
def test_a_setpoint_that_the_device_changed_takes_its_time(
    before_V: float | None, now_V: float | None, busy_until: float
) -> None:
    channel = replace(HELD, seen=replace(ON, bias_V=before_V))
    assert seen(channel, replace(ON, bias_V=now_V)).busy_until == pytest.approx(busy_until)
    later = replace(channel, busy_until=NOW + 50)
    assert seen(later, replace(ON, bias_V=now_V)).busy_until == NOW + 50
    slow = replace(SETTINGS, rates=Rates(5.0, 10.0, 2.0))
    expected = NOW + 2.0 + 7.0 / 2 if now_V == 50.0 and before_V else 0.0
    if expected:
        assert seen(channel, replace(ON, bias_V=now_V), slow).busy_until == pytest.approx(expected)


ENDING = replace(HELD, wanted=False, ramp=Ramp(40.0, 40.0, NOW - 1, then_off=True))


@pytest.mark.parametrize(
    ("vmon_V", "shift_V", "busy_until", "off"),
    [
        (40.5, 0.0, NOW + 1, True),
        (just(40.5, ABOVE), 0.0, just(NOW, ABOVE), False),
        (just(40.5, ABOVE), 0.0, NOW, True),  # it had its time
        (40.7, 0.2, NOW + 1, True),
        (40.7, -0.2, NOW + 1, False),
        (None, 0.0, NOW + 1, True),
    ],
)
def test_a_ramp_down_ends_when_the_output_has_arrived(
    vmon_V: float | None, shift_V: float, busy_until: float, off: bool
) -> None:
    channel = replace(ENDING, busy_until=busy_until, seen=replace(ON, bias_V=40.0))
    reading = replace(ON, bias_V=40.0, vmon_V=vmon_V, shift_V=shift_V)
    after, actions = observe(channel, reading, SETTINGS, NOW)
    assert actions == ((SwitchOff(), SetBias(57.0)) if off else ())
    assert (after.ramp is None, after.told_off) == (off, off)
    if off:
        assert after.busy_until == NOW + TRAITS.settle_s


@pytest.mark.parametrize(("bias_V", "limit_V", "parked"), [(40.0, 0.0, True), (39.9, 0.0, False), (60.0, 5.0, False)])
def test_a_setpoint_is_parked_if_the_device_may_have_it(bias_V: float, limit_V: float, parked: bool) -> None:
    settings = replace(SETTINGS, bias_V=bias_V, overvoltage_limit_V=limit_V, traits=replace(TRAITS, floor_V=40.0))
    _, actions = observe(ENDING, replace(ON, bias_V=40.0, vmon_V=40.0), settings, NOW)
    assert actions == ((SwitchOff(), SetBias(bias_V)) if parked else (SwitchOff(),))


def test_a_ramp_advances_holds_and_ends() -> None:
    rising = replace(HELD, ramp=Ramp(57.0, 50.0, NOW - 1))
    after, actions = observe(rising, ON, SETTINGS, NOW)
    assert actions == (SetBias(55.0),)
    assert (after.ramp, after.busy_until) == (Ramp(57.0, 55.0, NOW), NOW + 2.0)
    assert observe(replace(rising, busy_until=NOW + 9), ON, SETTINGS, NOW)[0].busy_until == NOW + 9
    held = replace(HELD, ramp=Ramp(57.0, 50.0, NOW))
    assert observe(held, ON, SETTINGS, NOW) == (replace(held, state=ChannelState.RAMPING_UP), ())
    finished = replace(HELD, ramp=Ramp(57.0, 57.0, NOW))
    assert observe(finished, ON, SETTINGS, NOW)[0].ramp is None
    gone = replace(ENDING, seen=OFF)
    assert observe(gone, OFF, SETTINGS, NOW)[0].ramp is None, "switched off meanwhile"
    coming = replace(HELD, seen=OFF, busy_until=NOW + 5, ramp=Ramp(57.0, 0.0, NOW - 1))
    assert observe(coming, OFF, SETTINGS, NOW) == (replace(coming, state=ChannelState.OFF), ())


@pytest.mark.parametrize(
    ("reading", "busy_until", "state"),
    [
        (replace(ON, vmon_V=56.0, moving=True), 0.0, ChannelState.RAMPING_UP),
        (replace(ON, vmon_V=58.0, moving=True), 0.0, ChannelState.RAMPING_DOWN),
        (replace(ON, vmon_V=56.0, moving=False), NOW + 9, ChannelState.ON),
        (replace(ON, vmon_V=56.5, moving=True), 0.0, ChannelState.ON),
        (replace(ON, vmon_V=56.0), NOW, ChannelState.ON),
        (replace(ON, vmon_V=56.0), just(NOW, ABOVE), ChannelState.RAMPING_UP),
        (replace(ON, vmon_V=56.0, shift_V=-1.0, moving=True), 0.0, ChannelState.ON),
        (replace(ON, vmon_V=56.0, shift_V=1.0, moving=True), 0.0, ChannelState.RAMPING_UP),
        (replace(ON, bias_V=52.0, vmon_V=52.0), 0.0, ChannelState.ON),
        (replace(ON, bias_V=52.0, vmon_V=just(52.0, BELOW)), 0.0, ChannelState.STANDBY),
        (replace(ON, bias_V=50.0, vmon_V=50.0, temperature_C=None), 0.0, ChannelState.ON),
        (replace(ON, vmon_V=None), 0.0, ChannelState.ON),
        (replace(ON, bias_V=None, moving=True), 0.0, ChannelState.ON),
        (replace(ON, fault="sensor"), 0.0, ChannelState.ERROR),
    ],
)
def test_states_of_an_output_that_is_on(reading: ChannelReading, busy_until: float, state: ChannelState) -> None:
    assert seen(replace(HELD, seen=reading, busy_until=busy_until), reading).state is state


@pytest.mark.parametrize(
    ("ramp", "vmon_V", "state"),
    [
        (Ramp(57.0, 50.0, NOW), 50.0, ChannelState.RAMPING_UP),
        (Ramp(50.0, 57.0, NOW), 57.0, ChannelState.RAMPING_DOWN),
        (Ramp(0.0, 57.0, NOW, then_off=True), 57.0, ChannelState.RAMPING_DOWN),
    ],
)
def test_the_direction_of_a_ramp(ramp: Ramp, vmon_V: float, state: ChannelState) -> None:
    slow = replace(SETTINGS, rates=Rates(1e-9, 1e-9, None))
    assert seen(replace(HELD, ramp=ramp), replace(ON, vmon_V=vmon_V), slow).state is state
    direction = fsm._direction(replace(ramp, present_V=ramp.target_V), replace(ON, vmon_V=vmon_V))
    assert direction is state
    assert fsm._direction(replace(ramp, present_V=ramp.target_V), replace(ON, vmon_V=ramp.target_V)) is (
        ChannelState.RAMPING_DOWN
    )


def test_a_ramp_that_ends_in_off_falls_wherever_the_output_is() -> None:
    at_end = Ramp(40.0, 40.0, NOW, then_off=True)
    assert fsm._direction(at_end, replace(ON, vmon_V=30.0)) is ChannelState.RAMPING_DOWN
    assert (
        fsm._direction(replace(at_end, present_V=50.0, then_off=False), replace(ON, vmon_V=30.0)) is ChannelState.RAMPING_DOWN
    )
    assert fsm._direction(replace(at_end, then_off=False), replace(ON, vmon_V=None)) is ChannelState.RAMPING_DOWN


def test_a_lost_wire_keeps_only_the_ramp_that_ends_in_off() -> None:
    assert observe(ENDING, None, SETTINGS, NOW)[0].ramp == ENDING.ramp
    assert observe(replace(HELD, ramp=Ramp(57.0, 50.0, NOW)), None, SETTINGS, NOW)[0].ramp is None


def test_switching_on_starts_at_the_floor_unless_the_device_is_slow_enough() -> None:
    floor = replace(SETTINGS, bias_V=40.0, traits=replace(TRAITS, floor_V=40.0))
    after, actions = fsm.switch_on(AWAY, floor, NOW)
    assert actions == (SwitchOn(40.0),)
    assert (after.ramp, after.wanted, after.busy_until) == (Ramp(40.0, 40.0, NOW), True, NOW + 2.0)
    slow = replace(SETTINGS, rates=Rates(5.0, 1.0, 5.0))
    after, actions = fsm.switch_on(AWAY, slow, NOW)
    assert actions == (SwitchOn(57.0),)
    assert after.busy_until == NOW + 57.0 / 5 + 2.0
    assert fsm.switch_on(HELD, SETTINGS, NOW) == (replace(HELD, ramp=Ramp(57.0, 57.0, NOW)), ())
    unread = replace(HELD, seen=replace(ON, bias_V=None))
    assert fsm.switch_on(unread, SETTINGS, NOW)[0].ramp == Ramp(57.0, 57.0, NOW), "from what is measured"
    dark = replace(HELD, seen=replace(ON, bias_V=None, vmon_V=None))
    assert fsm.switch_on(dark, SETTINGS, NOW)[0].ramp == Ramp(57.0, 0.0, NOW)


def test_switching_on_needs_an_open_interlock_and_a_reset() -> None:
    with pytest.raises(DeviceRefused, match="interlock is active"):
        fsm.switch_on(AWAY, replace(SETTINGS, interlock=True), NOW)
    with pytest.raises(DeviceRefused, match="tripped: hardware"):
        fsm.switch_on(replace(AWAY, trip=TripCause.HARDWARE), SETTINGS, NOW)


def test_switching_off_before_it_was_seen_on_is_at_once() -> None:
    coming = replace(AWAY, wanted=True, busy_until=NOW + 5)
    after, actions = fsm.switch_off(coming, SETTINGS, NOW)
    assert actions == (SwitchOff(),)
    assert (after.wanted, after.ramp, after.busy_until, after.told_off) == (False, None, NOW, True)
    assert fsm.switch_off(AWAY, SETTINGS, NOW) == (AWAY, ())
    after, actions = fsm.switch_off(HELD, SETTINGS, NOW)
    assert (after.ramp, after.wanted, actions) == (Ramp(0.0, 57.0, NOW, then_off=True), False, ())
    on_its_way = replace(HELD, ramp=Ramp(57.0, 50.0, NOW - 1))
    assert fsm.switch_off(on_its_way, SETTINGS, NOW)[0].ramp == Ramp(0.0, 50.0, NOW - 1, then_off=True)


@pytest.mark.parametrize(
    "channel",
    [HELD, replace(HELD, wanted=False), replace(AWAY, wanted=True), replace(AWAY, ramp=Ramp(0.0, 5.0, NOW, then_off=True))],
)
def test_a_setpoint_below_the_floor_is_refused_unless_the_output_is_off(channel: Channel) -> None:
    low = replace(SETTINGS, bias_V=39.9, traits=replace(TRAITS, floor_V=40.0))
    with pytest.raises(DeviceRefused, match=r"^BIAS 39\.9 V is below 40 V$"):
        fsm.set_bias(channel, low, NOW)
    fsm.set_bias(channel, replace(low, bias_V=40.0), NOW)
    assert fsm.set_bias(AWAY, low, NOW) == (AWAY, (SetBias(39.9),)), "the device decides"


def test_a_setpoint_while_going_off_is_for_later() -> None:
    assert fsm.set_bias(ENDING, SETTINGS, NOW) == (ENDING, ())


def test_a_refused_voltage_ends_the_ramp_and_a_refused_off_does_not() -> None:
    before = replace(HELD, ramp=Ramp(45.0, 51.0, NOW - 1), busy_until=NOW + 1)
    channel, _ = observe(before, replace(ON, bias_V=51.0, vmon_V=51.0), SETTINGS, NOW)
    assert fsm.refused(channel, before, SetBias(49.0), NOW) == replace(channel, ramp=None)
    going = replace(before, ramp=Ramp(0.0, 51.0, NOW - 1, then_off=True))
    channel, _ = observe(going, replace(ON, bias_V=51.0, vmon_V=51.0), SETTINGS, NOW)
    ended = fsm.refused(channel, going, SetBias(41.0), NOW)
    assert (ended.ramp, ended.busy_until) == (Ramp(51.0, 51.0, NOW, then_off=True), NOW)
    channel, actions = observe(ENDING, replace(ON, bias_V=40.0, vmon_V=40.0), SETTINGS, NOW)
    assert SwitchOff() in actions
    again = fsm.refused(channel, ENDING, SwitchOff(), NOW)
    assert (again.ramp, again.told_off, again.busy_until) == (ENDING.ramp, False, ENDING.busy_until)
    assert fsm.refused(AWAY, AWAY, SetBias(1.0), NOW) == AWAY


def test_a_refused_kill_is_repeated() -> None:
    bench = Bench(ON)
    bench.channel = fsm.kill_refused(bench.channel, bench.now)
    assert (bench.channel.ramp, bench.channel.wanted) == (Ramp(57.0, 57.0, bench.now, then_off=True), False)
    assert bench.channel.busy_until == bench.now
    bench.poll()
    assert bench.actions[0] == SwitchOff()
    unseen = fsm.kill_refused(Channel(), NOW).ramp
    assert unseen is not None
    assert unseen.present_V == 0.0
    dark = fsm.kill_refused(replace(HELD, seen=replace(ON, bias_V=None)), NOW).ramp
    assert dark is not None
    assert dark.target_V == 57.0, "where it was measured"


@pytest.mark.parametrize(
    ("channel", "settings", "message"),
    [
        (replace(HELD, trip=TripCause.HARDWARE), SETTINGS, "output is still on"),
        (replace(AWAY, trip=TripCause.HARDWARE, seen=replace(OFF, fault="card")), SETTINGS, "card is still present"),
        (replace(AWAY, trip=TripCause.INTERLOCK), replace(SETTINGS, interlock=True), "interlock is still present"),
    ],
)
def test_a_trip_is_reset_only_when_all_is_well(channel: Channel, settings: Settings, message: str) -> None:
    with pytest.raises(DeviceRefused, match=message):
        fsm.reset_trip(channel, settings)


def test_what_a_reset_leaves() -> None:
    assert fsm.reset_trip(HELD, replace(SETTINGS, interlock=True)) is HELD, "nothing to reset"
    tripped = replace(AWAY, state=ChannelState.TRIPPED, trip=TripCause.HARDWARE, last_cause=TripCause.HARDWARE, wanted=True)
    after = fsm.reset_trip(tripped, SETTINGS)
    assert (after.trip, after.wanted, after.state, after.last_cause) == (
        TripCause.NONE, False, ChannelState.OFF, TripCause.HARDWARE,
    )  # fmt: skip
    faulty = replace(tripped, trip=TripCause.OVER_CURRENT, seen=replace(OFF, fault="card"))
    assert fsm.reset_trip(faulty, SETTINGS).state is ChannelState.ERROR
    assert fsm.release(replace(HELD, ramp=Ramp(1.0, 0.0, NOW))) == replace(HELD, wanted=None)


@pytest.mark.parametrize(
    ("vbr_V", "limit_V", "bias_V", "too_high"),
    [
        (52.0, 5.0, 57.0, False),
        (52.0, 5.0, 57.001, True),
        (50.0, 4.2, 54.2, False),  # the difference of these is more in binary fractions
        (52.0, 0.0, 80.0, False),
        (52.0, 0.5, 52.6, True),
    ],
)
def test_the_overvoltage_limit_is_exceeded_and_0_is_none(vbr_V: float, limit_V: float, bias_V: float, too_high: bool) -> None:
    settings = replace(SETTINGS, vbr_V=vbr_V, bias_V=bias_V, overvoltage_limit_V=limit_V)
    assert settings.is_too_high(ON) is too_high
    rounded_V = settings.overvoltage(ON) - fsm._ROUNDING_V
    assert not replace(settings, overvoltage_limit_V=rounded_V).is_too_high(ON)
    assert replace(settings, overvoltage_limit_V=just(rounded_V, BELOW)).is_too_high(ON)


def test_breakdown_moves_in_millivolt_per_kelvin_from_its_reference() -> None:
    settings = replace(SETTINGS, vbr_slope=54.0)
    assert settings.breakdown(35.0) == pytest.approx(52.54)
    assert settings.overvoltage(replace(ON, temperature_C=35.0, shift_V=0.1)) == pytest.approx(57.1 - 52.54)
    assert settings.overvoltage(replace(ON, temperature_C=None)) == pytest.approx(5.0)
    defaults = Settings(57.0, 50.0, Rates(5.0, 5.0, None), TRAITS)
    assert defaults.breakdown(99.0) == 0.0
    assert not defaults.is_too_high(ON)
    assert replace(defaults, vbr_slope=1000.0).breakdown(26.0) == 1.0
    assert (Channel().busy_until, Channel().told_off, defaults.interlock, defaults.masked) == (0.0, False, False, False)


def test_an_interlock_ends_whatever_is_under_way() -> None:
    channel = replace(AWAY, wanted=True, ramp=Ramp(57.0, 0.0, NOW), busy_until=NOW + 9)
    after, actions = observe(channel, OFF, replace(SETTINGS, interlock=True), NOW)
    assert (after.wanted, after.ramp, after.busy_until, actions) == (False, None, NOW, ())


def test_the_last_cause_stays_while_all_is_well() -> None:
    assert seen(replace(HELD, last_cause=TripCause.HARDWARE), ON).last_cause is TripCause.HARDWARE
    rising = replace(AWAY, ramp=Ramp(57.0, 50.0, NOW))
    assert seen(rising, ON).wanted is True, "only a ramp that ends in off keeps an output unwanted"
    assert not Channel().was_on


def test_a_falling_step_takes_the_time_of_the_device() -> None:
    falling = replace(HELD, ramp=Ramp(40.0, 57.0, NOW - 1))
    after, actions = observe(falling, ON, replace(SETTINGS, rates=Rates(5.0, 10.0, 20.0)), NOW)
    assert actions == (SetBias(47.0),)
    assert after.busy_until == NOW + 10.0 / 20 + 2.0


def test_commands_on_the_way() -> None:
    assert fsm.switch_off(ENDING, SETTINGS, NOW)[0].ramp == Ramp(0.0, 40.0, NOW - 1, then_off=True)
    rising = replace(HELD, ramp=Ramp(57.0, 50.0, NOW - 1))
    settings = replace(SETTINGS, bias_V=55.0)
    assert fsm.set_bias(rising, settings, NOW) == (replace(rising, ramp=Ramp(55.0, 50.0, NOW - 1)), ())
    for channel, start_V in ((replace(HELD, wanted=False), 57.0), (replace(AWAY, wanted=True), 57.0)):
        assert fsm.set_bias(channel, settings, NOW) == (replace(channel, ramp=Ramp(55.0, start_V, NOW)), ())
    with pytest.raises(WireError, match="disconnected"):
        fsm.switch_on(replace(AWAY, seen=None), SETTINGS, NOW)
