"""State machine of a channel. Pure: readings, setpoints and time come in; a new state and actions for the device come out.

On its own it only ever switches off. A trip is latched with its cause; nothing but ``reset_trip`` clears it, and the channel
stays off after that. DISCONNECTED is not OFF: the device keeps its voltage. Source: JCOP's generic high-voltage channel, with
the states of this system's design.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from iocs.drivers.driver import ChannelReading, Traits
from iocs.ramp import Ramp, Rates, advance
from sipmdcs.channelstate import ChannelState, TripCause
from sipmdcs.errors import DeviceRefused, WireError

OVER_TEMPERATURE_C = 60.0
"""Above this an output is switched off: upper end of the operating range of the modules and of their sensors."""

_ROUNDING_V = 1e-6
"""More than binary fractions lose, far below what a device can be set to: a setpoint exactly at a limit is not above it."""


@dataclass(frozen=True, slots=True)
class SetBias:
    """Give the device a setpoint."""

    volts: float


@dataclass(frozen=True, slots=True)
class SwitchOn:
    """Switch the output on at a voltage."""

    volts: float


@dataclass(frozen=True, slots=True)
class SwitchOff:
    """Switch the output off at once."""


Action = SetBias | SwitchOn | SwitchOff
Actions = tuple[Action, ...]


@dataclass(frozen=True, slots=True)
class Settings:
    """What holds for a channel at a moment."""

    bias_V: float
    current_limit_uA: float
    rates: Rates
    traits: Traits
    vbr_V: float = 0.0
    """Breakdown voltage at the reference temperature."""
    vbr_reference_C: float = 25.0
    vbr_slope: float = 0.0
    """mV/K."""
    overvoltage_limit_V: float = 0.0
    """Setpoints further above the breakdown voltage are refused; 0 is no limit."""
    interlock: bool = False
    masked: bool = False
    refused: bool = False
    """Whether ``bias_V`` was refused: it is no voltage to go to, whatever the limits say by now."""

    def breakdown(self, temperature_C: float) -> float:
        """Breakdown voltage at a temperature, V."""
        return self.vbr_V + self.vbr_slope * (temperature_C - self.vbr_reference_C) / 1000

    def overvoltage(self, reading: ChannelReading) -> float:
        """How far above breakdown the setpoint is, V; at the temperature of the SiPM, if that is known."""
        temperature_C = self.vbr_reference_C if reading.temperature_C is None else reading.temperature_C
        return self.bias_V + reading.shift_V - self.breakdown(temperature_C)

    def is_too_high(self, reading: ChannelReading) -> bool:
        """Whether the setpoint is more than the SiPM may get."""
        return 0 < self.overvoltage_limit_V < self.overvoltage(reading) - _ROUNDING_V


@dataclass(frozen=True, slots=True)
class Channel:
    """One channel as the IOC knows it."""

    state: ChannelState = ChannelState.DISCONNECTED
    trip: TripCause = TripCause.NONE
    """Latched."""
    last_cause: TripCause = TripCause.NONE
    """Of the last trip; a reset leaves it."""
    wanted: bool | None = None
    """Whether the output should be on; ``None`` before the first reading."""
    ramp: Ramp | None = None
    busy_until: float = 0.0
    """Monotonic time until which the output may still be moving or switching."""
    seen: ChannelReading | None = None
    """Last reading."""
    told_off: bool = False
    """Whether the output was switched off since then: that it was on in the last reading means nothing any more."""

    @property
    def was_on(self) -> bool:
        """Whether the output was on, as far as is known."""
        return self.seen is not None and self.seen.on and not self.told_off


def observe(channel: Channel, reading: ChannelReading | None, settings: Settings, now: float) -> tuple[Channel, Actions]:
    """Take in one poll.

    Args:
        channel: as it was.
        reading: what the poll says, ``None`` once the wire is considered lost.
        settings: what holds now.
        now: monotonic time, seconds.
    """
    if reading is None:
        # A ramp up is not resumed after a gap; a ramp that ends in OFF is, as that is the safe side.
        ramp = channel.ramp if channel.ramp is not None and channel.ramp.then_off else None
        return replace(channel, state=ChannelState.DISCONNECTED, ramp=ramp), ()
    if channel.wanted is None:
        channel = replace(channel, wanted=reading.on)
    if channel.trip is TripCause.NONE:
        cause = _cause_to_trip(channel, reading, settings, now)
        if cause is not TripCause.NONE:
            channel = replace(channel, trip=cause, last_cause=cause)
    if channel.trip is not TripCause.NONE or settings.interlock:
        channel = replace(channel, wanted=False, ramp=None, busy_until=now)
        actions: Actions = (SwitchOff(),) if reading.on else ()
    else:
        channel = _follow_device(channel, reading, settings, now)
        channel, actions = _continue_ramp(channel, reading, settings, now)
    told_off = any(isinstance(action, SwitchOff) for action in actions)
    return replace(channel, state=_state(channel, reading, settings, now), seen=reading, told_off=told_off), actions


def _cause_to_trip(channel: Channel, reading: ChannelReading, settings: Settings, now: float) -> TripCause:
    cause = _present_cause(reading, settings)
    if cause is not TripCause.NONE:
        return cause
    if channel.wanted and not reading.on and (channel.was_on or now >= channel.busy_until):
        return TripCause.COMMUNICATION if channel.state is ChannelState.DISCONNECTED else TripCause.HARDWARE
    return TripCause.NONE


def _present_cause(reading: ChannelReading, settings: Settings) -> TripCause:
    """A cause that can be seen in the reading itself."""
    if settings.interlock and reading.on:
        return TripCause.INTERLOCK
    if reading.over_current or (reading.on and (reading.current_uA or 0.0) > settings.current_limit_uA):
        return TripCause.OVER_CURRENT
    if reading.vmon_V is not None and reading.vmon_V > settings.traits.max_V:
        return TripCause.OVER_VOLTAGE
    if reading.on and reading.temperature_C is not None and reading.temperature_C > OVER_TEMPERATURE_C:
        return TripCause.OVER_TEMPERATURE
    return TripCause.NONE


def _follow_device(channel: Channel, reading: ChannelReading, settings: Settings, now: float) -> Channel:
    """Take note of what somebody else did to the device: at its front, by its own restart, through another program."""
    going_off = channel.ramp is not None and channel.ramp.then_off
    if reading.on and not channel.wanted and not going_off and now >= channel.busy_until:
        channel = replace(channel, wanted=True)
    before = channel.seen.bias_V if channel.seen is not None else None
    if before is not None and reading.bias_V is not None:
        change = abs(reading.bias_V - before)
        if change > settings.traits.tolerance_V:
            channel = replace(channel, busy_until=max(channel.busy_until, _busy(change, settings, now)))
    return channel


def _continue_ramp(channel: Channel, reading: ChannelReading, settings: Settings, now: float) -> tuple[Channel, Actions]:
    ramp = channel.ramp
    if ramp is None:
        return channel, ()
    if not reading.on:
        return (replace(channel, ramp=None), ()) if ramp.then_off else (channel, ())
    if not ramp.finished:
        following = advance(ramp, settings.rates, now)
        if following.present_V == ramp.present_V:
            return channel, ()
        step = abs(following.present_V - ramp.present_V)
        busy = max(channel.busy_until, _busy(step, settings, now))
        return replace(channel, ramp=following, busy_until=busy), (SetBias(following.present_V),)
    if not ramp.then_off:
        return replace(channel, ramp=None), ()
    arrived = reading.vmon_V is None or reading.vmon_V <= ramp.target_V + settings.traits.tolerance_V + reading.shift_V
    if not arrived and now < channel.busy_until:
        return channel, ()
    # Afterwards the device is given its setpoint again, so that its readback agrees with BIAS while it is off.
    is_good = not settings.refused and settings.bias_V >= settings.traits.floor_V and not settings.is_too_high(reading)
    park = (SetBias(settings.bias_V),) if is_good else ()
    return replace(channel, ramp=None, busy_until=now + settings.traits.settle_s), (SwitchOff(), *park)


def _busy(change_V: float, settings: Settings, now: float) -> float:
    travel_s = change_V / settings.rates.device if settings.rates.device else 0.0
    return now + travel_s + settings.traits.settle_s


def _state(channel: Channel, reading: ChannelReading, settings: Settings, now: float) -> ChannelState:
    if settings.interlock:
        return ChannelState.INTERLOCKED
    if channel.trip is not TripCause.NONE:
        return ChannelState.TRIPPED
    if reading.fault:
        return ChannelState.ERROR
    if not reading.on:
        return ChannelState.OFF
    if channel.ramp is not None:
        return ChannelState.RAMPING_UP if channel.ramp.rising else _direction(channel.ramp, reading)
    if reading.vmon_V is None or reading.bias_V is None:
        return ChannelState.ON
    missing = reading.bias_V + reading.shift_V - reading.vmon_V
    moving = reading.moving if reading.moving is not None else now < channel.busy_until
    if moving and abs(missing) > settings.traits.tolerance_V:
        return ChannelState.RAMPING_UP if missing > 0 else ChannelState.RAMPING_DOWN
    if reading.temperature_C is not None and reading.vmon_V < settings.breakdown(reading.temperature_C):
        return ChannelState.STANDBY
    return ChannelState.ON


def _direction(ramp: Ramp, reading: ChannelReading) -> ChannelState:
    """Direction of a ramp whose last step the device may still be doing."""
    if ramp.then_off or not ramp.finished:
        return ChannelState.RAMPING_DOWN
    return (
        ChannelState.RAMPING_UP if reading.vmon_V is not None and reading.vmon_V < ramp.target_V else ChannelState.RAMPING_DOWN
    )


def switch_on(channel: Channel, settings: Settings, now: float) -> tuple[Channel, Actions]:
    """The command ON.

    Raises:
        WireError: not connected.
        DeviceRefused: tripped, interlocked, or the setpoint is too low, too high, or was refused.
    """
    reading = _connected(channel)
    if settings.interlock:
        raise DeviceRefused("interlock is active")
    if channel.trip is not TripCause.NONE:
        raise DeviceRefused(f"tripped: {channel.trip.text}; reset it")
    floor = settings.traits.floor_V
    target = settings.bias_V
    _check_floor(settings)
    _check_overvoltage(settings, reading)
    if settings.refused:
        raise DeviceRefused(f"BIAS {settings.bias_V:g} V was refused; set another")
    if channel.was_on:
        return replace(channel, wanted=True, ramp=_ramp_to(channel, reading, target, now)), ()
    start = target if settings.rates.allows_jump(rising=True) else floor
    busy = _busy(start, settings, now)
    return replace(channel, wanted=True, ramp=Ramp(target, start, now), busy_until=busy), (SwitchOn(start),)


def switch_off(channel: Channel, settings: Settings, now: float) -> tuple[Channel, Actions]:
    """The command OFF: ramp down, then switch off. Raises ``WireError`` when not connected."""
    reading = _connected(channel)
    if not channel.was_on and not channel.wanted:
        return channel, ()
    if not channel.was_on:  # switched on a moment ago and not seen on yet
        return kill(channel, now)
    ramp = replace(_ramp_to(channel, reading, settings.traits.floor_V, now), then_off=True)
    return replace(channel, wanted=False, ramp=ramp), ()


def kill(channel: Channel, now: float) -> tuple[Channel, Actions]:
    """The command KILL: off at once, whatever the state."""
    return replace(channel, wanted=False, ramp=None, busy_until=now, told_off=True), (SwitchOff(),)


def set_bias(channel: Channel, settings: Settings, now: float) -> tuple[Channel, Actions]:
    """A new setpoint, ``settings.bias_V``.

    Raises:
        WireError: not connected.
        DeviceRefused: it is too high for the SiPM, or too low for an output that is on.
    """
    reading = _connected(channel)
    _check_overvoltage(settings, reading)
    if channel.was_on or channel.wanted or channel.ramp is not None:
        _check_floor(settings)
    if channel.ramp is not None and channel.ramp.then_off:
        return channel, ()
    if channel.was_on or channel.wanted:
        return replace(channel, ramp=_ramp_to(channel, reading, settings.bias_V, now)), ()
    return channel, (SetBias(settings.bias_V),)


def refused(channel: Channel, before: Channel, action: Action, now: float) -> Channel:
    """After the device refused what ``observe`` asked for.

    A voltage is not asked for again: the output stays where it is, or goes off from there if that was the aim. Switching off
    is asked for again at every poll.

    Args:
        channel: as ``observe`` left it.
        before: as it was before that.
        action: what was refused.
        now: monotonic time, seconds.
    """
    if isinstance(action, SwitchOff):
        return replace(channel, ramp=before.ramp, busy_until=before.busy_until, told_off=False)
    ramp = channel.ramp
    if ramp is None or not ramp.then_off or before.ramp is None:
        return replace(channel, ramp=None)
    held_V = before.ramp.present_V
    return replace(channel, ramp=replace(ramp, target_V=held_V, present_V=held_V), busy_until=now)


def kill_refused(channel: Channel, now: float) -> Channel:
    """After the device refused to switch off at once, or did not hear it: that is asked for again at every poll."""
    reading = channel.seen
    voltages = () if reading is None else (reading.bias_V, reading.vmon_V)
    ramped_V = channel.ramp.present_V if channel.ramp is not None else 0.0
    held_V = max((ramped_V, *(volts for volts in voltages if volts is not None)))  # wherever it is, it has arrived
    return replace(channel, wanted=False, ramp=Ramp(held_V, held_V, now, then_off=True), busy_until=now)


def reset_trip(channel: Channel, settings: Settings) -> Channel:
    """The command TRIP_RESET.

    Raises:
        WireError: not connected.
        DeviceRefused: the cause is still there.
    """
    reading = _connected(channel)
    if channel.trip is TripCause.NONE:
        return channel
    cause = TripCause.INTERLOCK if settings.interlock else _present_cause(reading, settings)
    if cause is not TripCause.NONE:
        raise DeviceRefused(f"{cause.text} is still present")
    if channel.trip is TripCause.HARDWARE and reading.fault:
        raise DeviceRefused(f"{reading.fault} is still present")
    if reading.on:
        raise DeviceRefused("output is still on")
    return replace(channel, trip=TripCause.NONE, wanted=False, state=ChannelState.ERROR if reading.fault else ChannelState.OFF)


def release(channel: Channel) -> Channel:
    """Forget what the output should be: it was switched by a command of its own kind of controller."""
    return replace(channel, wanted=None, ramp=None)


def _check_overvoltage(settings: Settings, reading: ChannelReading) -> None:
    if settings.is_too_high(reading):
        raise DeviceRefused(f"overvoltage {settings.overvoltage(reading):.2f} V, limit is {settings.overvoltage_limit_V:g} V")


def _check_floor(settings: Settings) -> None:
    if settings.bias_V < settings.traits.floor_V:
        raise DeviceRefused(f"BIAS {settings.bias_V:g} V is below {settings.traits.floor_V:g} V")


def _connected(channel: Channel) -> ChannelReading:
    if channel.state is ChannelState.DISCONNECTED or channel.seen is None:
        raise WireError("disconnected")
    return channel.seen


def _ramp_to(channel: Channel, reading: ChannelReading, target_V: float, now: float) -> Ramp:
    if channel.ramp is not None:
        return Ramp(target_V, channel.ramp.present_V, channel.ramp.since)
    start = reading.bias_V if reading.bias_V is not None else (reading.vmon_V or 0.0)
    return Ramp(target_V, start, now)
