"""Every agent of a site with its settings: what there is, before anything runs."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass

from agents.agentsfile import AgentEntry, AgentsFile, agents_path, read_agents_file
from agents.declaration import Declaration
from agents.declaring import Declared, declare
from agents.discovery import Found, find_plugins, misnamed
from agents.problem import Problem
from sipmdcs.errors import BadInput
from sipmdcs.site import Site
from sipmdcs.yamlfile import bad_key

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Member:
    """One agent."""

    found: Found
    entry: AgentEntry
    declaration: Declaration | None
    problem: Problem | None = None
    """Why it cannot run, if there is no declaration."""

    @property
    def name(self) -> str:
        """Name of the agent."""
        return self.found.name

    @property
    def interval(self) -> float:
        """Seconds from one run to the next: what the site says, else the plugin."""
        if self.entry.interval is not None:
            return self.entry.interval
        return 1.0 if self.declaration is None else self.declaration.interval

    @property
    def offset(self) -> float:
        """Seconds to the first run, less than the interval."""
        given = self.entry.offset
        if given is None:
            given = 0.0 if self.declaration is None else self.declaration.offset
        return given % self.interval

    @property
    def version(self) -> str:
        """Changes with the plugin's text and its settings."""
        return self.found.version


@dataclass(frozen=True)
class Roster:
    """All agents by name."""

    file: AgentsFile
    members: Mapping[str, Member]


def muster(site: Site, *, again: bool = False) -> Roster:
    """The agents of a site.

    Args:
        site: the installation.
        again: load also plugins that are known to hang.

    Raises:
        BadInput: ``agents.yaml`` cannot be used.
    """
    found = find_plugins(site)
    file = read_agents_file(site, found)
    declared = declare(site, found.values(), file, again=again)
    return Roster(file, {name: enlist(site, one, file.entry(name), declared[name]) for name, one in found.items()})


def muster_leniently(site: Site) -> Roster:
    """The same for those who only want to know which PVs there are: settings that cannot be used are as good as none."""
    try:
        return muster(site)
    except BadInput as err:
        _log.warning("agents run without their settings: %s", err)
    found = find_plugins(site)
    file = AgentsFile()
    declared = declare(site, found.values(), file)
    return Roster(file, {name: enlist(site, one, file.entry(name), declared[name]) for name, one in found.items()})


def enlist(site: Site, found: Found, entry: AgentEntry, declared: Declared) -> Member:
    """One agent from its parts."""
    if isinstance(declared, Declaration):
        return Member(found, entry, declared)
    if declared.parameter:
        said = bad_key(agents_path(site), ("agents", found.name, "parameters", declared.parameter), declared.text)
        declared = Problem(f"agents.{found.name}.parameters.{declared.parameter}: {said.message}", said.file or "", said.line)
    return Member(found, entry, None, declared)


def check_service(site: Site) -> None:
    """What ``sipmdcs doctor`` asks: can every agent run, if the site has the service at all?

    Raises:
        BadInput: one cannot.
    """
    if "agents" in site.file.services:
        check_agents(site)


def check_agents(site: Site) -> Roster:
    """Make sure that every agent of a site can run.

    Raises:
        BadInput: one cannot; the first one, with file and line.
    """
    roster = muster(site, again=True)
    for problem in (*misnamed(site), *(member.problem for member in roster.members.values())):
        if problem is not None:
            raise BadInput(problem.text, file=problem.file, line=problem.line)
    return roster
