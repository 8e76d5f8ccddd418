"""The alarm tree: which PVs alarm, where they hang and how each behaves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

from alarms.state import Rules

NodePath = tuple[str, ...]
"""Place in the tree from below the root; the root itself is empty."""

_USUAL = Rules()


@dataclass(frozen=True, slots=True)
class Node:
    """An inner node."""

    path: NodePath
    description: str = ""
    guidance: str = ""
    """What the shifter should do about anything below, as text."""


@dataclass(frozen=True, slots=True)
class Leaf:
    """A PV in the tree."""

    pv: str
    path: NodePath
    """The node it hangs below."""
    description: str = ""
    rules: Rules = _USUAL
    guidance: str = ""
    """What the shifter should do, as text."""
    enabled: bool | datetime = True
    """Whether it alarms; a time with zone: not before that."""
    mask: str = ""
    """PV that silences this one while it is not 0."""

    def enabled_at(self, now: datetime) -> bool:
        """Whether the configuration lets it alarm at a time."""
        return now >= self.enabled if isinstance(self.enabled, datetime) else self.enabled


@dataclass(frozen=True)
class Tree:
    """All nodes and leaves; the same PV is in it only once."""

    nodes: Mapping[NodePath, Node]
    """Parents before children, the root first."""
    leaves: Mapping[str, Leaf] = field(default_factory=dict)
    """By PV name."""

    @cached_property
    def areas(self) -> tuple[NodePath, ...]:
        """The nodes right below the root."""
        return tuple(path for path in self.nodes if len(path) == 1)

    @cached_property
    def timed(self) -> tuple[Leaf, ...]:
        """The leaves that are enabled from a time on."""
        return tuple(leaf for leaf in self.leaves.values() if isinstance(leaf.enabled, datetime))

    @cached_property
    def children(self) -> Mapping[NodePath, tuple[NodePath, ...]]:
        """The nodes right below each node."""
        found: dict[NodePath, list[NodePath]] = {path: [] for path in self.nodes}
        for path in self.nodes:
            if path:
                found[path[:-1]].append(path)
        return {path: tuple(below) for path, below in found.items()}

    def below(self, path: NodePath) -> list[Leaf]:
        """Every leaf in the subtree at ``path``."""
        return [leaf for leaf in self.leaves.values() if leaf.path[: len(path)] == path]

    def guidance(self, leaf: Leaf) -> list[str]:
        """What the shifter should do: the leaf's own text first, then that of each node above, nearest first."""
        nodes = (self.nodes[leaf.path[:depth]] for depth in range(len(leaf.path), -1, -1))
        return [text for text in (leaf.guidance, *(node.guidance for node in nodes)) if text]


def grow(leaves: Iterable[Leaf], nodes: Mapping[NodePath, Node]) -> Tree:
    """The tree that holds ``leaves``; nodes that are not given are made without description."""
    found: dict[NodePath, Node] = {(): nodes.get((), Node(()))}
    by_pv: dict[str, Leaf] = {}
    for leaf in leaves:
        by_pv[leaf.pv] = leaf
        if leaf.path in found:
            continue
        for depth in range(1, len(leaf.path) + 1):
            path = leaf.path[:depth]
            if path not in found:
                found[path] = nodes.get(path, Node(path))
    return Tree(found, by_pv)


def path_text(path: NodePath) -> str:
    """A path as people write it; the root is ``/``."""
    return "/".join(path) or "/"
