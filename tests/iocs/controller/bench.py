"""A channel on the bench: a clock that only tests move, and a device that obeys."""

from __future__ import annotations

from dataclasses import replace

from iocs import fsm
from iocs.drivers.driver import ChannelReading, Traits
from iocs.fsm import Action, Channel, SetBias, Settings, SwitchOff, SwitchOn, observe
from iocs.ramp import Rates
from sipmdcs.channelstate import ChannelState

TRAITS = Traits(floor_V=0.0, max_V=82.0, tolerance_V=0.5, settle_s=2.0)
SETTINGS = Settings(bias_V=57.0, current_limit_uA=50.0, rates=Rates(5.0, 10.0, None), traits=TRAITS, vbr_V=52.0)
OFF = ChannelReading(False, 57.0, 0.0, 0.0, 25.0)
ON = ChannelReading(True, 57.0, 57.0, 0.1, 25.0)


class Bench:
    """A channel with a clock and a device that obeys."""

    def __init__(self, reading: ChannelReading = OFF, settings: Settings = SETTINGS) -> None:
        self.now = 100.0
        self.channel = Channel()
        self.reading = reading
        self.settings = settings
        self.actions: list[Action] = []
        self.poll()

    def poll(self, reading: ChannelReading | str | None = "same", *, after: float = 1.0) -> ChannelState:
        self.now += after
        seen = self.reading if isinstance(reading, str) else reading
        if seen is not None:
            self.reading = seen
        self.channel, actions = observe(self.channel, seen, self.settings, self.now)
        self.obey(actions)
        return self.channel.state

    def on(self) -> None:
        self.channel, actions = fsm.switch_on(self.channel, self.settings, self.now)
        self.obey(actions)

    def off(self) -> None:
        self.channel, actions = fsm.switch_off(self.channel, self.settings, self.now)
        self.obey(actions)

    def bias(self, volts: float) -> None:
        self.settings = replace(self.settings, bias_V=volts)
        self.channel, actions = fsm.set_bias(self.channel, self.settings, self.now)
        self.obey(actions)

    def reset(self) -> None:
        self.channel = fsm.reset_trip(self.channel, self.settings)

    def obey(self, actions: fsm.Actions) -> None:
        for action in actions:
            self.actions.append(action)
            match action:
                case SwitchOn(volts):
                    self.reading = replace(self.reading, on=True, bias_V=volts, vmon_V=volts)
                case SwitchOff():
                    self.reading = replace(self.reading, on=False, vmon_V=0.0, current_uA=0.0)
                case SetBias(volts):
                    self.reading = replace(self.reading, bias_V=volts, vmon_V=volts if self.reading.on else 0.0)

    def states(self, polls: int) -> list[ChannelState]:
        return [self.poll() for _ in range(polls)]
