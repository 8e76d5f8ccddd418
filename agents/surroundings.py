"""What all agents of a host share."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from agents.agentsfile import AgentsFile
from agents.cache import HotCache
from agents.declaring import load_request
from agents.feed import Feed
from agents.inputs import Wiring, any_matches, wire
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

    units: dict[str, str] = field(default_factory=dict)
    """Units of the site's records that have one."""
    _names: list[str] = field(default_factory=list)
    """Of all records of the site, sorted."""

    def load_records(self) -> None:
        """Load all records of the site, which takes a while: before anything is asked, and not in the event loop."""
        self.change_records((record for _, record in self.site.all_records()), ())

    def change_records(self, added: Iterable[Record], removed: Iterable[str]) -> None:
        """There are other records now; those whose inputs ``is_read`` says it of are to be wired again."""
        names = set(self._names).difference(removed)
        for record in added:
            names.add(record.name)
            if "EGU" in record.fields:
                self.units[record.name] = record.fields["EGU"]
        self._names = sorted(names)

    def prefix(self, name: str) -> str:
        """``DET:AGENT:NAME`` of an agent."""
        return agent_prefix(self.site, name)

    def load_request(self, member: Member) -> dict[str, Any]:
        """What a process of an agent is told first: the settings are those of the version that runs."""
        file = self.file.model_copy(update={"agents": {**self.file.agents, member.name: member.entry}})
        return load_request(self.site, member.found, file)

    def wiring(self, member: Member) -> Wiring:
        """The inputs of an agent."""
        if member.declaration is None:
            return Wiring({}, frozenset())
        return wire(member.declaration, self.site.file.prefix, self.prefix(member.name), lambda: self._names)

    def is_read(self, names: Iterable[str], member: Member) -> bool:
        """Whether a pattern of an agent may match one of ``names``."""
        return member.declaration is not None and any_matches(member.declaration, self.site.file.prefix, names)

    def wiring_problem(self, member: Member) -> Problem | None:
        """Why the inputs of an agent cannot be worked out, ``None`` if they can."""
        try:
            self.wiring(member)
        except BadInput as err:
            return Problem(f"inputs: {err.message}", str(member.found.path), 1)
        return None

    def feed(self, wiring: Wiring) -> Feed:
        """What an agent reads."""
        return Feed(wiring, self.latest, self.cache, self.clock)

    def mirror(self, member: Member) -> Mirror | None:
        """The copies of what it reads in the hot cache, if there is one."""
        return None if self.cache is None else Mirror(member.name, self.cache, self.keep_intervals, self.clock)
