"""What a plugin declared, as data that other processes may hold: the result of loading it, without its code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from agents.plugin import SHORTEST_TIMEOUT_S, Output


@dataclass(frozen=True)
class InputGroup:
    """Names or patterns of one group of inputs."""

    names: tuple[str, ...]
    cached: bool = False
    """Read from the hot cache, not over Channel Access."""


@dataclass(frozen=True)
class Declaration:
    """One agent, everything that depends on the site worked out."""

    interval: float
    offset: float
    description: str
    inputs: Mapping[str, InputGroup]
    outputs: tuple[Output, ...]
    require: str
    timeout: float | None
    parameters: Mapping[str, Any]
    mirror: bool

    def timeout_s(self, interval: float) -> float:
        """How long a run may take when the agent runs every ``interval`` seconds."""
        return self.timeout if self.timeout is not None else max(2 * interval, SHORTEST_TIMEOUT_S)

    def to_json(self) -> dict[str, Any]:
        """For a pipe."""
        return asdict(self)


def declaration_from_json(data: Mapping[str, Any]) -> Declaration:
    """What ``Declaration.to_json`` made."""
    rows: Sequence[Mapping[str, Any]] = data["outputs"]
    groups: Mapping[str, Mapping[str, Any]] = data["inputs"]
    inputs = {name: InputGroup(tuple(group["names"]), group["cached"]) for name, group in groups.items()}
    return Declaration(**{**data, "inputs": inputs, "outputs": tuple(Output(**row) for row in rows)})
