"""Which processes a site consists of."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from importlib.metadata import entry_points

from sipmdcs.cli import GROUP
from sipmdcs.errors import BadInput
from sipmdcs.site import SITE_FILE, Site

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
    commands = {point.name for point in entry_points(group=GROUP)}
    path = site.folder / SITE_FILE
    found: list[Program] = []
    if any(controller.port == "sim" for controller in site.file.controllers.values()):
        found.append(Program(SIMULATORS, ("sim", "run"), Stage.SIMULATORS))
    found += [Program(name, ("ioc", name), Stage.IOCS) for name in site.file.iocs]
    for name in site.file.services:
        if name not in commands:
            raise BadInput(f"{name} is no installed command", file=path, key="services")
        found.append(Program(name, (name,), Stage.SERVICES))
    names = [program.name for program in found]
    if twice := [name for name in names if names.count(name) > 1]:
        raise BadInput(f"two processes would be called {twice[0]}", file=path, key="services")
    return tuple(found)
