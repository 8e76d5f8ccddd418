"""What can go wrong with a channel in a scan."""

from __future__ import annotations

from sipmdcs.errors import DcsError


class ChannelTrouble(DcsError):
    """A channel cannot go on: its curve ends, the others go on. The text says why, without the name."""


class TakenOver(DcsError):
    """Somebody else set the channel while it was scanned: the scan ends, and leaves the channel to them."""

    def __init__(self, channel: str, what: str, bias_V: float | None = None) -> None:
        self.channel = channel
        self.what = what
        self.bias_V = bias_V
        """The setpoint that they want, ``None`` if they did something else."""
        super().__init__(f"{channel} {what}")
