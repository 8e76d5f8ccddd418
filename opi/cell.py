"""What one cell of the heat map says, worked out from what is known of its channel: pure, no Qt."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from sipmdcs.channelstate import ChannelState
from sipmdcs.severity import Severity


class Look(Enum):
    """How a cell is drawn."""

    BLANK = "not cabled"
    LOST = "disconnected"
    STALE = "stale"
    MASKED = "masked"
    OFF = "off"
    VALUE = "on"
    TRIPPED = "tripped"
    INTERLOCKED = "interlocked"
    ERROR = "error"
    UNKNOWN = "no valid value"


class Motion(Enum):
    """Whether a channel that has a value is ramping."""

    STILL = ""
    UP = "↑"
    DOWN = "↓"


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell, ready to be drawn."""

    look: Look
    value: float = float("nan")
    """Coded as luminance where ``look`` is VALUE."""
    severity: Severity = Severity.NO_ALARM
    motion: Motion = Motion.STILL


_STATE_LOOK = {
    ChannelState.DISCONNECTED: Look.LOST,
    ChannelState.OFF: Look.OFF,
    ChannelState.STANDBY: Look.OFF,
    ChannelState.TRIPPED: Look.TRIPPED,
    ChannelState.INTERLOCKED: Look.INTERLOCKED,
    ChannelState.ERROR: Look.ERROR,
}
_MOTION = {ChannelState.RAMPING_UP: Motion.UP, ChannelState.RAMPING_DOWN: Motion.DOWN}


def channel_cell(state: ChannelState | None, value: float, severity: Severity, *, masked: bool, cabled: bool = True) -> Cell:
    """The cell of a channel whose controller answers.

    Args:
        state: ``None`` if it is not known.
        value: the quantity that is shown; NaN if there is none.
        severity: worst severity of the channel.
        masked: known bad, left out of sums and alarms.
        cabled: False if the channel has no PVs.
    """
    if not cabled:
        return Cell(Look.BLANK)
    if masked:
        return Cell(Look.MASKED)
    if state is None:
        return Cell(Look.UNKNOWN, severity=severity)
    look = _STATE_LOOK.get(state, Look.VALUE)
    if look is Look.VALUE and (value != value or severity is Severity.INVALID):
        look = Look.UNKNOWN
    return Cell(look, value, severity, _MOTION.get(state, Motion.STILL))
