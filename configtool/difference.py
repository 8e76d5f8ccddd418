"""How two versions differ, value by value, and how a version differs from what PVs hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from configtool.layers import ChannelId
from configtool.reading import Reading, mismatch
from configtool.resolution import Values
from configtool.targets import Target


@dataclass(frozen=True, slots=True)
class ValueChange:
    """One value of one channel in two versions; ``None`` where there is none."""

    channel: ChannelId
    parameter: str
    before: Decimal | None
    after: Decimal | None


def value_changes(before: Mapping[ChannelId, Values], after: Mapping[ChannelId, Values]) -> list[ValueChange]:
    """Every value that differs, by channel and parameter."""
    out: list[ValueChange] = []
    for channel in sorted({*before, *after}):
        old, new = before.get(channel, {}), after.get(channel, {})
        for name in sorted({*old, *new}):
            first = old[name].value if name in old else None
            second = new[name].value if name in new else None
            if first != second:
                out.append(ValueChange(channel, name, first, second))
    return out


@dataclass(frozen=True, slots=True)
class LiveDifference:
    """A target that the detector does not have."""

    target: Target
    found: Reading
    text: str


def live_differences(targets: Sequence[Target], found: Mapping[str, Reading]) -> list[LiveDifference]:
    """Targets that the readings do not agree with, those that could not be read included."""
    pairs = ((target, mismatch(target, found[target.pv])) for target in targets)
    return [LiveDifference(target, found[target.pv], text) for target, text in pairs if text]
