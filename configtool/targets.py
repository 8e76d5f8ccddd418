"""What a push brings about: one target per PV, from resolved settings and the controllers that are installed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from configtool.layers import ChannelId
from configtool.parameters import Parameter, WriteMode
from configtool.resolution import Installed, Values, value_range
from sipmdcs.errors import BadInput
from sipmdcs.patterns import fits


@dataclass(frozen=True, slots=True)
class Target:
    """One value that one PV should have."""

    channel: ChannelId
    controller: str
    """Name of the controller in the site, such as ``HV17``."""
    parameter: str
    pv: str
    readback: str
    """PV that shows what the device took; empty without one."""
    value: float
    unit: str
    tolerance: float
    settle_s: float
    phase: int
    minimum: float
    maximum: float

    @property
    def pvs(self) -> tuple[str, ...]:
        """Setpoint, and readback where there is one."""
        return (self.pv, self.readback) if self.readback else (self.pv,)


@dataclass(frozen=True, slots=True)
class Targets:
    """Targets of a push and what it leaves out."""

    targets: tuple[Target, ...]
    absent: Mapping[str, int]
    """Channels by id of the controllers that the site does not have."""

    def only(self, patterns: Sequence[str]) -> Targets:
        """The targets that a shell-style pattern names: by PV, controller name or id, channel (``17.03``) or parameter.

        Raises:
            BadInput: a pattern names none.
        """
        if not patterns:
            return self
        for pattern in patterns:
            if not any(_matches(target, pattern) for target in self.targets):
                raise BadInput(f"--only {pattern}: no PV, controller, channel or parameter that a push writes is named so")
        chosen = tuple(target for target in self.targets if any(_matches(target, pattern) for pattern in patterns))
        return Targets(chosen, {})


def _matches(target: Target, pattern: str) -> bool:
    names = (target.pv, target.controller, target.channel.controller, str(target.channel), target.parameter)
    return any(fits(name, pattern) for name in names)


def build_targets(
    values: Mapping[ChannelId, Values],
    installed: Mapping[str, Installed],
    parameters: Mapping[str, Parameter],
    mode: WriteMode = WriteMode.PUT,
) -> Targets:
    """Targets of every installed channel, sorted by phase and PV; ``mode`` picks the parameters that travel this way."""
    targets: list[Target] = []
    absent: Counter[str] = Counter()
    for channel, of_channel in values.items():
        home = installed.get(channel.controller)
        if home is None:
            absent[channel.controller] += 1
            continue
        chosen = (name for name in of_channel if parameters[name].write_mode is mode)
        targets += [_target(channel, home, parameters[name], of_channel) for name in chosen]
    return Targets(tuple(sorted(targets, key=lambda target: (target.phase, target.pv))), dict(sorted(absent.items())))


def _target(channel: ChannelId, home: Installed, parameter: Parameter, values: Values) -> Target:
    prefix = f"{home.prefix}:CH{channel.number:02d}:"
    low, high = value_range(parameter, home.type)
    return Target(
        channel,
        home.name,
        parameter.name,
        prefix + parameter.pv_suffix,
        prefix + parameter.readback_suffix if parameter.readback_suffix else "",
        float(values[parameter.name].value),
        parameter.unit,
        float(parameter.tolerance),
        float(parameter.settle_s),
        int(parameter.phase),
        float(low),
        float(high),
    )
