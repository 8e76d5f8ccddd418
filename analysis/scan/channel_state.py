"""States of a channel, as in its ``STATE`` record (``sipm_channel.template``)."""

from __future__ import annotations

from enum import IntEnum


class ChannelState(IntEnum):
    """What a channel does."""

    DISCONNECTED = 0
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


TRIP_CAUSES = ("none", "over-current", "over-voltage", "over-temperature", "interlock", "communication", "hardware")
"""Choices of ``TRIP_CAUSE``."""
