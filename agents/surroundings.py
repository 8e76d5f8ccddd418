"""What all agents of a host share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from agents.agentsfile import AgentsFile
from agents.cache import HotCache
from agents.feed import Feed
from agents.inputs import Wiring, wire
from agents.latest import Latest
from agents.mirror import Mirror
from agents.problem import Problem
from agents.records import agent_prefix
from agents.roster import Member
from sipmdcs.clock import Clock
from sipmdcs.epicsdb import Record
from sipmdcs.errors import BadInput
from sipmdcs.publisher import Publisher
from sipmdcs.site import Site


@dataclass
class Surroundings:
    """Where agents get from and give to."""

    site: Site
    file: AgentsFile
    publisher: Publisher
    clock: Clock
    latest: Latest
    cache: HotCache | None

    @property
    def keep_intervals(self) -> int:
        """Intervals that an output lives without being renewed."""
        return self.file.keep_intervals

    def load_records(self) -> None:
        """Load all records of the site, which takes a while: before anything is asked, and not in the event loop."""
        _ = self._names

    @cached_property
    def _records(self) -> list[Record]:
        return [record for _, record in self.site.all_records()]

    @cached_property
    def units(self) -> Mapping[str, str]:
        """Units of the site's records that have one."""
        return {record.name: record.fields["EGU"] for record in self._records if "EGU" in record.fields}

    @cached_property
    def _names(self) -> Sequence[str]:
        return sorted(record.name for record in self._records)

    def prefix(self, name: str) -> str:
        """``DET:AGENT:NAME`` of an agent."""
        return agent_prefix(self.site, name)

    def wiring(self, member: Member) -> Wiring:
        """The inputs of an agent."""
        if member.declaration is None:
            return Wiring({}, frozenset())
        return wire(member.declaration, self.site.file.prefix, self.prefix(member.name), lambda: self._names)

    def wiring_problem(self, member: Member) -> Problem | None:
        """Why the inputs of an agent cannot be worked out, ``None`` if they can."""
        try:
            self.wiring(member)
        except BadInput as err:
            return Problem(f"inputs: {err.message}", str(member.found.path), 1)
        return None

    def feed(self, member: Member) -> Feed:
        """What an agent reads."""
        return Feed(self.wiring(member), self.latest, self.cache, self.clock)

    def mirror(self, member: Member) -> Mirror | None:
        """The copies of what it reads in the hot cache, if there is one."""
        return None if self.cache is None else Mirror(member.name, self.cache, self.keep_intervals, self.clock)
