"""Which processes a site consists of."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass
from enum import IntEnum

from sipmdcs.cli import GROUP
from sipmdcs.errors import BadInput
from sipmdcs.installed import installed
from sipmdcs.site import SITE_FILE, Site
from sipmdcs.yamlfile import bad_key

SIMULATORS = "simulators"
"""Name of the process that runs every simulator of the site."""


class Stage(IntEnum):
    """Order of starting; stopping goes the other way, so that no service sees its IOCs vanish."""

    SIMULATORS = 10
    IOCS = 20
    SERVICES = 30

    @property
    def group(self) -> str:
        """Name of the group of supervisord."""
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class Program:
    """One process to supervise."""

    name: str
    """As in ``site.yaml``."""
    arguments: tuple[str, ...]
    """Arguments of ``sipmdcs``."""
    stage: Stage

    @property
    def full_name(self) -> str:
        """What supervisord calls it."""
        return f"{self.stage.group}:{self.name}"


def programs(site: Site) -> tuple[Program, ...]:
    """Every process of a site, in the order of starting.

    Raises:
        BadInput: a service is no installed command, or two processes have one name.
    """
    commands = {point.name for point in installed(GROUP)}
    path = site.folder / SITE_FILE
    found: list[Program] = []
    if any(controller.port == "sim" for controller in site.file.controllers.values()):
        found.append(Program(SIMULATORS, ("sim", "run"), Stage.SIMULATORS))
    found += [Program(name, ("ioc", name), Stage.IOCS) for name in site.file.iocs]
    taken = {program.name for program in found}
    for index, name in enumerate(site.file.services):
        if problem := _problem(site, name, commands, taken):
            raise bad_key(path, ("services", index), problem)
        taken.add(name)
        found.append(Program(name, (name,), Stage.SERVICES))
    return tuple(found)


def _problem(site: Site, service: str, commands: Set[str], taken: Set[str]) -> str:
    """What is wrong with a service, if anything."""
    if service not in commands:
        return f"{service} is no installed command"
    if service in taken:
        return f"two processes would be called {service}"
    try:
        site.find_template(f"{service}.substitutions")
    except BadInput:
        return f"{service} is a command, but no service: it has no {service}.substitutions"
    return ""
