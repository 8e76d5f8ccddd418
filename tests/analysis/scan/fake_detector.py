"""Channels in memory that obey at once, with the PVs a scan looks at."""

from __future__ import annotations

from sipmdcs.channels import PvType
from sipmdcs.channels_fake import FakeChannels
from sipmdcs.channelstate import ChannelState

CONTROLLER = "DET:VETO:HV01"
CHANNELS = tuple(f"{CONTROLLER}:CH{number:02d}" for number in (1, 2, 3))
WORKING_V = 56.0
STATES = tuple(state.name for state in ChannelState)


class FakeDetector:
    """Three channels, on at 56 V."""

    def __init__(self) -> None:
        self.pvs = FakeChannels()
        self.pvs.add(f"{CONTROLLER}:POLL_PERIOD", 1.0)
        for channel in CHANNELS:
            self._add(channel)

    def _add(self, channel: str) -> None:
        numbers = {
            "BIAS_RBV": WORKING_V, "VMON_RBV": WORKING_V, "CURRENT_RBV": 0.1, "TEMP_RBV": 27.0, "CURRENT_LIMIT": 50.0,
            "RAMP_UP": 5.0, "RAMP_DOWN": 5.0, "VBR": 52.0, "VBR_TREF": 25.0, "VBR_TCOEF": 54.0,
        }  # fmt: skip
        for item, value in numbers.items():
            self.pvs.add(f"{channel}:{item}", value)
        self.pvs.add(f"{channel}:BIAS", WORKING_V, control=(0.0, 80.0))
        self.pvs.add(f"{channel}:ENABLE", 1, labels=("Off", "On"))
        self.pvs.add(f"{channel}:ENABLE_RBV", 1, labels=("Off", "On"))
        self.pvs.add(f"{channel}:MASK", 0, labels=("Used", "Masked"))
        self.pvs.add(f"{channel}:STATE", int(ChannelState.ON), labels=STATES)
        self.pvs.add(f"{channel}:TRIP_CAUSE", 0, type_=PvType.ENUM)
        self.pvs.on_put(f"{channel}:BIAS", lambda volts: self._follow(channel, volts))
        self.pvs.on_put(f"{channel}:ENABLE", lambda on: self._switch(channel, bool(on)))

    def _follow(self, channel: str, volts: object) -> None:
        if self.state(channel).at_rest:
            self.pvs.set(f"{channel}:BIAS_RBV", volts)  # pyright: ignore[reportArgumentType]

    def _switch(self, channel: str, on: bool) -> None:
        self.pvs.set(f"{channel}:STATE", int(ChannelState.ON if on else ChannelState.OFF))
        self.pvs.set(f"{channel}:ENABLE_RBV", int(on))

    def state(self, channel: str) -> ChannelState:
        return ChannelState(int(self.number(channel, "STATE")))

    def number(self, channel: str, item: str) -> float:
        value = self.pvs.value(f"{channel}:{item}")
        assert isinstance(value, int | float)
        return value

    def at(self, channel: str, volts: float) -> None:
        """Where a scan has taken a channel."""
        self.pvs.set(f"{channel}:BIAS", volts)
        self.pvs.set(f"{channel}:BIAS_RBV", volts)

    def trip(self, channel: str) -> None:
        self.pvs.set(f"{channel}:STATE", int(ChannelState.TRIPPED))
        self.pvs.set(f"{channel}:TRIP_CAUSE", 1)
        self.pvs.set(f"{channel}:ENABLE", 0)
        self.pvs.set(f"{channel}:ENABLE_RBV", 0)

    def off(self, channel: str) -> None:
        self.pvs.set(f"{channel}:STATE", int(ChannelState.OFF))
        self.pvs.set(f"{channel}:ENABLE", 0)
        self.pvs.set(f"{channel}:ENABLE_RBV", 0)
