"""What the controller loop asks of a driver. A new kind of controller is one module that fills this in.

A driver is synchronous and lives in one thread. It never acts on its own: it does what it is told and says what it sees.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from sipmdcs.publisher import Value

Endpoint = Mapping[str, str]
"""Where a controller is reached: ``tty``, or ``telnet`` and ``http`` as ``host:port``, and what else its driver needs."""

EndpointSource = Callable[[], Endpoint]
"""Asked at each connect, because a simulator or an adapter may come back elsewhere.

Raises:
    ServiceError: nobody says where the controller is.
"""

Settings = Callable[[int, str], Value]
"""Present setpoint of an address and parameter, such as ``(0, "SLEW_RATE")``."""


@dataclass(frozen=True, slots=True)
class Identity:
    """What a controller says it is; an empty string where it does not say."""

    model: str
    serial: str = ""
    firmware: str = ""
    extra: Mapping[str, Value] = field(default_factory=dict)
    """Further parameters of address 0."""


@dataclass(frozen=True, slots=True)
class ChannelReading:
    """What one poll says of one channel. ``None`` is not known, never zero."""

    on: bool
    """Whether the output is switched on, whatever its voltage."""
    bias_V: float | None
    """Setpoint the device holds."""
    vmon_V: float | None
    current_uA: float | None
    temperature_C: float | None
    moving: bool | None = None
    """The device says its output is changing; ``None`` if it never says."""
    over_current: bool = False
    """The device's own protection acts."""
    fault: str = ""
    """What is wrong with the channel, empty if nothing."""
    shift_V: float = 0.0
    """What the device adds to the setpoint by itself: temperature compensation."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What one poll says of a controller."""

    channels: Mapping[int, ChannelReading]
    """By address, from 1. A channel that is missing was not reported."""
    extra: Mapping[tuple[int, str], Value] = field(default_factory=dict)
    """Readings that only this kind of controller has, by address and parameter."""
    power_cycled: bool = False
    """The device lost what it was told since the last poll."""


@dataclass(frozen=True, slots=True)
class Traits:
    """How a kind of controller behaves."""

    floor_V: float
    """Lowest voltage of a switched-on output: where ramps begin and end."""
    max_V: float
    """Highest voltage it may ever show."""
    tolerance_V: float
    """Largest difference between setpoint and measured voltage at rest."""
    settle_s: float
    """Time from a command until its effect is complete, ramps aside."""


class Driver(Protocol):
    """One controller on its wire.

    Every method may raise ``WireError`` (nothing or nonsense came back; ask again or reconnect) or ``DeviceRefused`` (it
    understood and said no). Anything else is a bug.
    """

    traits: Traits

    def __init__(self, endpoint: EndpointSource, settings: Settings) -> None: ...

    def open(self) -> None:
        """Connect; the device's outputs are not touched. Also ``ServiceError`` if nobody says where it is."""
        ...

    def close(self) -> None:
        """Disconnect; the device keeps its voltage. Does nothing when not connected."""
        ...

    def identify(self) -> Identity:
        """Ask the device what it is."""
        ...

    def poll(self) -> Snapshot:
        """Read everything that changes."""
        ...

    def set_bias(self, values: Mapping[int, float]) -> None:
        """Give channels new setpoints in volts, on or off."""
        ...

    def switch_on(self, values: Mapping[int, float]) -> None:
        """Switch channels on at these voltages, in the order the device wants."""
        ...

    def switch_off(self, channels: frozenset[int]) -> None:
        """Switch channels off at once, without a ramp."""
        ...

    def all_off(self) -> None:
        """Switch everything off at once, in the order the device wants."""
        ...

    def slew_rate(self) -> float | None:
        """V/s at which the device moves its outputs by itself, ``None`` if it jumps."""
        ...

    def write(self, address: int, parameter: str, value: Value) -> bool:
        """Write a parameter that only this kind of controller has.

        Returns:
            Whether it may have switched outputs, so that a change of them is no trip.

        Raises:
            DeviceRefused: it has no such parameter, or the value does not suit it.
        """
        ...

    def take_flaws(self) -> tuple[str, ...]:
        """Flaws on the wire that were survived since the last call, one line each: garbage skipped, replies asked for again."""
        ...
