"""What is published after a poll: from readings and states to values by address and parameter. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from math import nan

from iocs.drivers.driver import ChannelReading
from iocs.fsm import Channel, Settings
from sipmdcs.channelstate import ChannelState, TripCause
from sipmdcs.publisher import Value

STRING_BYTES = 39
"""What a ``stringin`` holds besides its terminator."""

_WORST_FIRST = (
    ChannelState.DISCONNECTED,
    ChannelState.ERROR,
    ChannelState.TRIPPED,
    ChannelState.INTERLOCKED,
    ChannelState.RAMPING_UP,
    ChannelState.RAMPING_DOWN,
    ChannelState.ON,
    ChannelState.STANDBY,
    ChannelState.OFF,
)

STATE_PARAMETERS = ("STATE", "TRIP", "TRIP_CAUSE")
"""Keys of ``state_values``, in their order."""

_MEASURED = ("BIAS_RBV", "VMON_RBV", "CURRENT_RBV", "TEMP_RBV", "OVERVOLTAGE_RBV")

_ARRAYS = {parameter: f"{parameter}_WF" for parameter in _MEASURED}
"""Arrays over all channels, by the property they show."""

NO_READING: Mapping[str, float | None] = dict.fromkeys((*_MEASURED, "VDEV_RBV", "ENABLE_RBV"))
"""As ``reading_values``, of a channel that the device did not report."""


def short(text: str) -> str:
    """``text`` as a string record can hold it."""
    if text.isascii() and len(text) <= STRING_BYTES:
        return text
    return text.encode("ascii", "replace")[:STRING_BYTES].decode("ascii")


def state_values(channel: Channel) -> dict[str, Value]:
    """What is known of a channel even when the wire is lost."""
    return {
        "STATE": int(channel.state),
        "TRIP": int(channel.trip is not TripCause.NONE),
        "TRIP_CAUSE": int(channel.last_cause),
    }


def reading_values(channel: Channel, reading: ChannelReading, settings: Settings) -> dict[str, float | None]:
    """What one poll says of a channel, ``None`` where it does not say."""
    over_V = None
    if reading.vmon_V is not None and reading.temperature_C is not None:
        over_V = reading.vmon_V - settings.breakdown(reading.temperature_C)
    return {
        "BIAS_RBV": reading.bias_V,
        "VMON_RBV": reading.vmon_V,
        "CURRENT_RBV": reading.current_uA,
        "TEMP_RBV": reading.temperature_C,
        "OVERVOLTAGE_RBV": over_V,
        "VDEV_RBV": _deviation(channel, reading, settings),
        "ENABLE_RBV": int(reading.on),
    }


def _deviation(channel: Channel, reading: ChannelReading, settings: Settings) -> float | None:
    """Measured less expected voltage in mV, 0 unless the output is on and at rest."""
    if reading.vmon_V is None:
        return None
    if channel.state not in (ChannelState.ON, ChannelState.STANDBY) or settings.masked:
        return 0.0
    return (reading.vmon_V - settings.bias_V - reading.shift_V) * 1000


def summary(channels: Mapping[int, Channel], masked: frozenset[int]) -> dict[str, Value]:
    """ChannelState of the controller and its counts; masked channels are left out."""
    counted = [channel for address, channel in channels.items() if address not in masked]
    states = {channel.state for channel in counted}
    worst = next((state for state in _WORST_FIRST if state in states), ChannelState.OFF)
    connected = [channel for channel in counted if channel.state is not ChannelState.DISCONNECTED]
    return {
        "STATE": int(worst),
        "N_ON": sum(channel.seen is not None and channel.seen.on for channel in connected),
        "N_TRIPPED": sum(channel.trip is not TripCause.NONE for channel in counted),
    }


def arrays(order: tuple[int, ...], readings: Mapping[int, Mapping[str, float | None]]) -> dict[str, Value]:
    """One array per measured property, NaN where there is no reading."""
    rows = [readings.get(channel, NO_READING) for channel in order]
    return {name: [nan if (value := row[parameter]) is None else value for row in rows] for parameter, name in _ARRAYS.items()}
