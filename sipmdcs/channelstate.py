"""What a channel does, and why it tripped: numbers of its ``STATE`` and ``TRIP_CAUSE`` records (``sipm_channel.template``)."""

from __future__ import annotations

from enum import IntEnum


class ChannelState(IntEnum):
    """State of a channel; a controller's is one of them, too."""

    DISCONNECTED = 0
    """Not OFF: the device keeps its voltage."""
    OFF = 1
    STANDBY = 2
    """On, below the breakdown voltage."""
    RAMPING_UP = 3
    ON = 4
    RAMPING_DOWN = 5
    TRIPPED = 6
    INTERLOCKED = 7
    ERROR = 8

    @property
    def at_rest(self) -> bool:
        """On and not moving."""
        return self in (ChannelState.ON, ChannelState.STANDBY)

    @property
    def is_off(self) -> bool:
        """Whether there is no voltage, whatever the reason."""
        return self in (ChannelState.OFF, ChannelState.TRIPPED, ChannelState.INTERLOCKED)

    @property
    def text(self) -> str:
        """For messages."""
        return self.name.lower().replace("_", " ")


class TripCause(IntEnum):
    """Why a channel tripped."""

    NONE = 0
    OVER_CURRENT = 1
    OVER_VOLTAGE = 2
    OVER_TEMPERATURE = 3
    INTERLOCK = 4
    COMMUNICATION = 5
    """Found off after the wire had been lost."""
    HARDWARE = 6
    """Went off, or did not come on, without anybody's doing."""

    @property
    def text(self) -> str:
        """For messages."""
        return self.name.lower().replace("_", "-")
