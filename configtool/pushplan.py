"""A push as data: what is written, what is skipped, and what was there before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from configtool.reading import Reading, mismatch
from configtool.targets import Target
from sipmdcs.channels import PvMetadata, PvType
from sipmdcs.errors import ChannelError


class PushState(StrEnum):
    """Where a push stands. The last four are final."""

    PLANNED = "planned"
    RUNNING = "running"
    VERIFIED = "verified"
    """Every value was read back and agrees."""
    ROLLED_BACK = "rolled_back"
    """It failed, and every value it touched was read back as it had been."""
    ROLLBACK_FAILED = "rollback_failed"
    """It failed, and some value could not be shown to be as it had been."""
    ABORTED = "aborted"
    """Refused before anything was written, or its client died or was forced to stop."""


FINAL = frozenset({PushState.VERIFIED, PushState.ROLLED_BACK, PushState.ROLLBACK_FAILED, PushState.ABORTED})


UNKNOWN = PvMetadata(PvType.DOUBLE, 1)
"""Of a PV that was not asked."""


@dataclass(frozen=True, slots=True)
class Item:
    """A target with what its PVs held before the push."""

    target: Target
    before: Reading
    write: bool
    """Whether it differs and is to be written; the others are only verified."""
    metadata: PvMetadata = UNKNOWN
    """Of the setpoint."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Items of a push in the order of phases."""

    items: tuple[Item, ...]

    @property
    def phases(self) -> tuple[int, ...]:
        """Phases in which something is written, in order."""
        return tuple(sorted({item.target.phase for item in self.items if item.write}))

    def writes(self, phase: int) -> tuple[Item, ...]:
        """What is written in one phase."""
        return tuple(item for item in self.items if item.write and item.target.phase == phase)

    @property
    def write_count(self) -> int:
        """How many values are written."""
        return sum(item.write for item in self.items)


def make_plan(
    targets: Sequence[Target], before: Mapping[str, Reading], metadata: Mapping[str, PvMetadata | ChannelError] | None = None
) -> Plan:
    """Write what differs beyond its tolerance, in setpoint or readback, or is not proven; verify everything."""
    ordered = sorted(targets, key=lambda target: (target.phase, target.pv))
    known = {pv: one for pv, one in (metadata or {}).items() if isinstance(one, PvMetadata)}
    return Plan(
        tuple(
            Item(target, before[target.pv], bool(mismatch(target, before[target.pv])), known.get(target.pv, UNKNOWN))
            for target in ordered
        )
    )
