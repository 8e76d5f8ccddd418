"""``agents.yaml``: what a site wants otherwise than its plugins say."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from agents.plugin import LONGEST_S, SHORTEST_S
from sipmdcs.site import Site
from sipmdcs.yamlfile import Strict, bad_key, read_yaml

AGENTS_FILE = "agents.yaml"


class AgentEntry(Strict):
    """Settings of one agent; what is left out is as the plugin says."""

    enable: bool = True
    """Whether it runs from the start; its PV ``ENABLE`` changes that until the service is started again."""
    interval: Annotated[float, Field(ge=SHORTEST_S, le=LONGEST_S, strict=True)] | None = None
    """Seconds."""
    offset: Annotated[float, Field(ge=0, le=LONGEST_S, strict=True)] | None = None
    """Seconds."""
    parameters: Mapping[str, Any] = Field(default_factory=dict)
    """Of those that the plugin declares."""


class AgentsFile(Strict):
    """Schema of ``agents.yaml``."""

    tick_s: Annotated[float, Field(ge=0.01, le=1, strict=True)] = 0.05
    """Seconds between looks at what is due; the PV ``TICK`` changes it."""
    keep_intervals: Annotated[int, Field(ge=2, le=100, strict=True)] = 3
    """Intervals after which an output that is not renewed is INVALID and gone from the hot cache."""
    cache: bool | None = None
    """Whether outputs go to the hot cache; left out, if ``memcached`` is among the services of ``site.yaml``."""
    agents: Mapping[str, AgentEntry] = Field(default_factory=dict)

    def entry(self, name: str) -> AgentEntry:
        """Settings of an agent, the defaults if the file does not name it."""
        return self.agents.get(name, AgentEntry())


def read_agents_file(site: Site, names: Collection[str] | None = None) -> AgentsFile:
    """The agent settings of a site, defaults if there are none.

    Args:
        site: the installation.
        names: of the agents there are, if a name of another is to be an error.

    Raises:
        BadInput: the file is not what the schema expects, or names an agent that is not there.
    """
    path = agents_path(site)
    if not path.is_file():
        return AgentsFile()
    file = read_yaml(path, AgentsFile)
    for name in file.agents:
        if names is not None and name not in names:
            raise bad_key(path, ("agents", name), f"there is no agent of that name, but {', '.join(names)}")
    return file


def agents_path(site: Site) -> Path:
    """Where the settings are."""
    return site.folder / AGENTS_FILE
