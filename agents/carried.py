"""What survives when the host begins anew because there are other agents or outputs: nobody's settings are lost by that."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from agents.roster import Member


@dataclass(frozen=True, slots=True)
class CarriedAgent:
    """One agent: what was set by PV, and its counts."""

    member: Member
    enabled: bool
    interval: float
    offset: float
    missed: int
    runs: int
    errors: int
    restarts: int
    seq: int

    def settings(self, member: Member) -> tuple[bool, float, float]:
        """Enabled, interval and offset of ``member``: as set by PV, unless site or plugin say otherwise than before."""
        enabled = self.enabled if member.entry.enable == self.member.entry.enable else member.entry.enable
        if (member.interval, member.offset) == (self.member.interval, self.member.offset):
            return enabled, self.interval, self.offset
        return enabled, member.interval, member.offset


@dataclass(frozen=True, slots=True)
class Carried:
    """The host."""

    running: bool
    """Whether nobody has stopped all agents."""
    tick_s: float
    file_tick_s: float
    """What ``agents.yaml`` said of it."""
    agents: Mapping[str, CarriedAgent]
