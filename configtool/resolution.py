"""From layers to values: what every channel should have, and where each value comes from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from configtool.formula import Formula
from configtool.layers import ChannelId, Place
from configtool.parameters import BIAS, Parameter
from configtool.quantity import spell
from configtool.settings import Settings
from sipmdcs.controllers import ControllerType
from sipmdcs.errors import BadInput


@dataclass(frozen=True, slots=True)
class Installed:
    """A controller that the site has."""

    name: str
    """As in PV names, such as ``HV17``."""
    id: str
    """As in the channel table, such as ``17``."""
    subsystem: str
    prefix: str
    type: ControllerType
    poll_s: float = 1.0


@dataclass(frozen=True, slots=True)
class Resolved:
    """One value with its origin."""

    value: Decimal
    place: Place
    """Layer that decides."""
    formula: Formula


Values = Mapping[str, Resolved]
"""Values of one channel by parameter."""


def resolve_channel(settings: Settings, channel: ChannelId, subsystem: str | None) -> dict[str, Resolved]:
    """Values of one channel: for each parameter the strongest layer that names it, its formula worked out.

    Raises:
        BadInput: a formula needs a setting that no layer has, or formulas need each other.
    """
    chosen: dict[str, tuple[Place, Formula]] = {}
    for place in channel.places(subsystem):
        chosen.update(settings.at(place))
    values: dict[str, Decimal] = {}
    for name in chosen:
        _work_out(name, chosen, values, (), channel)
    return {name: Resolved(values[name], place, formula) for name, (place, formula) in chosen.items()}


def _work_out(
    name: str,
    chosen: Mapping[str, tuple[Place, Formula]],
    values: dict[str, Decimal],
    above: tuple[str, ...],
    channel: ChannelId,
) -> None:
    if name in values:
        return
    if name in above:
        raise BadInput(f"channel {channel}: {' -> '.join((*above, name))} goes in a circle")
    if name not in chosen:
        raise BadInput(f"channel {channel}: {above[-1]} needs {name}, which no layer sets")
    formula = chosen[name][1]
    for needed in formula.names:
        _work_out(needed, chosen, values, (*above, name), channel)
    values[name] = formula.evaluate(values)


def resolve(settings: Settings, installed: Mapping[str, Installed]) -> dict[ChannelId, dict[str, Resolved]]:
    """Values of every channel of the settings; ``installed`` by controller id gives subsystems.

    Raises:
        BadInput: as ``resolve_channel``.
    """
    out: dict[ChannelId, dict[str, Resolved]] = {}
    for channel in settings.channels:
        home = installed.get(channel.controller)
        out[channel] = resolve_channel(settings, channel, home.subsystem if home else None)
    return out


def validate(settings: Settings, parameters: Mapping[str, Parameter], installed: Mapping[str, Installed]) -> None:
    """Refuse settings that could not be pushed.

    Raises:
        BadInput: an unknown parameter, a formula that cannot be worked out, or a value outside the range of its parameter or of
            the device; the first problem, naming channel, value and range.
    """
    for place, name in settings:
        if name not in parameters:
            raise BadInput(f"{place}: unknown parameter {name}, there are {', '.join(sorted(parameters))}")
    for channel, values in resolve(settings, installed).items():
        home = installed.get(channel.controller)
        # What was written before what follows from it: the message is about the former where both are wrong.
        for name, found in sorted(values.items(), key=lambda entry: bool(entry[1].formula.names)):
            low, high = value_range(parameters[name], home.type if home else None)
            if not low <= found.value <= high:
                origin = f"{found.place}: {found.formula}" if found.formula.names else str(found.place)
                unit = parameters[name].unit
                limits = f"{spell(low)} to {spell(high)} {unit}"
                raise BadInput(f"channel {channel}: {name} = {spell(found.value)} {unit} ({origin}) is outside {limits}")


def value_range(parameter: Parameter, kind: ControllerType | None) -> tuple[Decimal, Decimal]:
    """Smallest and largest value of a parameter: its own limits, for the bias those of the device as well."""
    if parameter.name != BIAS or kind is None:
        return parameter.minimum, parameter.maximum
    # repr is the shortest text of a float, so 62.6 V of a device type stays 62.6.
    return max(parameter.minimum, Decimal(repr(kind.bias_min_V))), min(parameter.maximum, Decimal(repr(kind.bias_max_V)))
