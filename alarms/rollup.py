"""Counts and worst level of every node, kept up to date leaf by leaf.

A change of one leaf costs as many steps as it is deep, whatever the size of the tree.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from alarms.level import Level
from alarms.tree import NodePath, Tree


class Rollup:
    """How many enabled leaves below each node are at each level."""

    def __init__(self, tree: Tree) -> None:
        """Start with no leaf counted."""
        self._counts: dict[NodePath, list[int]] = {path: [0] * len(Level) for path in tree.nodes}
        self._shown: dict[str, Level] = {}
        self.alarming: dict[str, Level] = {}
        """The leaves that are not OK, acknowledged or not."""
        self._path = {pv: leaf.path for pv, leaf in tree.leaves.items()}

    def copy(self) -> Rollup:
        """The counts of now, which do not change any more."""
        copied = object.__new__(Rollup)
        copied._counts = {path: counts.copy() for path, counts in self._counts.items()}
        copied._shown, copied.alarming, copied._path = dict(self._shown), dict(self.alarming), self._path
        return copied

    def show_all(self, levels: Mapping[str, Level | None]) -> None:
        """The same as ``show`` for every leaf, at the start."""
        path = self._path
        counted = Counter((path[pv], level) for pv, level in levels.items() if level is not None)
        for (place, level), count in counted.items():
            for depth in range(len(place) + 1):
                self._counts[place[:depth]][level] += count
        self._shown = {pv: level for pv, level in levels.items() if level is not None}
        self.alarming = {pv: level for pv, level in self._shown.items() if level}

    def show(self, pv: str, level: Level | None) -> set[NodePath]:
        """A leaf is at this level now; ``None`` for one that is disabled, which counts nowhere.

        Returns:
            The nodes whose counts changed.
        """
        old = self._shown.get(pv)
        if old is level:
            return set()
        path = self._path[pv]
        above = {path[:depth] for depth in range(len(path) + 1)}
        for node in above:
            if old is not None:
                self._counts[node][old] -= 1
            if level is not None:
                self._counts[node][level] += 1
        if level is None:
            del self._shown[pv]
        else:
            self._shown[pv] = level
        if level:
            self.alarming[pv] = level
        else:
            self.alarming.pop(pv, None)
        return above

    @property
    def enabled(self) -> int:
        """Leaves that count at all."""
        return len(self._shown)

    def level(self, path: NodePath) -> Level:
        """The worst level below a node, in the order across PVs."""
        counts = self._counts[path]
        return next((level for level in reversed(Level) if counts[level]), Level.OK)

    def alarms(self, path: NodePath) -> int:
        """PVs below a node that are not OK, acknowledged or not."""
        return sum(self._counts[path]) - self._counts[path][Level.OK]

    def unacknowledged(self, path: NodePath) -> int:
        """PVs below a node with an alarm that nobody has acknowledged."""
        return sum(self._counts[path][Level.MINOR :])

    def count(self, path: NodePath, level: Level) -> int:
        """PVs below a node that are at one level."""
        return self._counts[path][level]
