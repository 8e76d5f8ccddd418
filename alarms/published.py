"""The tree as PVs: one for each node and leaf, counts for each area, and the banner. Only changes are posted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from alarms.banner import Banner
from alarms.engine import Change
from alarms.level import Level
from alarms.names import Names, state_names
from alarms.rollup import Rollup
from alarms.state import PvState
from alarms.state_records import AT_START, StateRecords, literal
from alarms.tree import NodePath, Tree
from sipmdcs.clock import to_datetime
from sipmdcs.epicsdb import Record, load_template
from sipmdcs.publisher import Publisher, Value

_AREA_LENGTH = 20
_BANNER_BYTES = 8192


class Published:
    """What clients see of the tree."""

    def __init__(self, prefix: str, tree: Tree, *, banner_rows: int) -> None:
        """Name everything.

        Args:
            prefix: first part of every PV name of the site.
            tree: what to show.
            banner_rows: alarms in the banner.
        """
        self._tree = tree
        self._base = f"{prefix}:ALARM"
        self._rows = banner_rows
        own = ("ACK", "STATE", "LATEST", "LATEST_LEVELS", "N_ALARMS", "N_UNACKED")
        self.names: Names = state_names(prefix, tree, {f"{self._base}:{suffix}" for suffix in own})
        self.rollup = Rollup(tree)
        of_nodes = (name for path, name in self.names.nodes.items() if path)
        self._posted: dict[str, Value] = dict.fromkeys((*of_nodes, *self.names.leaves.values()), AT_START)
        self._banner = Banner()

    @property
    def acknowledge_pv(self) -> str:
        """Name of the PV that takes what to acknowledge."""
        return f"{self._base}:ACK"

    def area_records(self, template: Path) -> list[Record]:
        """The counts of all areas."""
        return [
            record
            for area in self._tree.areas
            for record in load_template(template, {"P": self.names.nodes[area], "DESC": literal(area[0], _AREA_LENGTH)})
        ]

    def state_records(self, template: Path) -> StateRecords:
        """The states of all nodes but the root, and of all leaves."""
        nodes, leaves = self._tree.nodes, self._tree.leaves
        meanings = {name: nodes[path].description or path[-1] for path, name in self.names.nodes.items() if path}
        return StateRecords(template, meanings | {name: leaves[pv].description or pv for pv, name in self.names.leaves.items()})

    def show_all(self, states: Mapping[str, PvState], publisher: Publisher) -> None:
        """Post everything, at the start."""
        self.rollup.show_all({pv: state.alarm.level if state.enabled else None for pv, state in states.items()})
        not_ok = [pv for pv, state in states.items() if state.alarm.level is not Level.OK]  # the others start so
        for pv in not_ok:
            self._banner.note(pv, states[pv].alarm)
        self._post(self._leaf_values(states, not_ok) | self._node_values(self.names.nodes), publisher)
        self._post(self._banner_values(), publisher)

    def show(self, changes: Iterable[Change], states: Mapping[str, PvState], publisher: Publisher) -> None:
        """Post what changed; ``states`` are those after the changes."""
        pvs = dict.fromkeys(change.leaf.pv for change in changes)
        nodes: set[NodePath] = set()
        for pv in pvs:
            nodes |= self.rollup.show(pv, states[pv].alarm.level if states[pv].enabled else None)
            self._banner.note(pv, states[pv].alarm)
        self._post(self._leaf_values(states, pvs) | self._node_values(nodes), publisher)
        if pvs:
            self._post(self._banner_values(), publisher)

    def _leaf_values(self, states: Mapping[str, PvState], pvs: Iterable[str]) -> dict[str, Value]:
        return {self.names.leaves[pv]: int(states[pv].alarm.level) for pv in pvs}

    def _node_values(self, nodes: Iterable[NodePath]) -> dict[str, Value]:
        values: dict[str, Value] = {}
        for path in nodes:
            values[self.names.nodes[path]] = int(self.rollup.level(path))
            if len(path) <= 1:
                prefix = self.names.nodes[path] if path else self._base
                values[f"{prefix}:N_ALARMS"] = self.rollup.alarms(path)
                values[f"{prefix}:N_UNACKED"] = self.rollup.unacknowledged(path)
        return values

    def _banner_values(self) -> dict[str, Value]:
        chosen = self._banner.choice(self._rows)
        lines = [
            f"{to_datetime(alarm.time_ns):%H:%M:%S} {alarm.level.name} {pv} {alarm.value} {alarm.message}"
            for pv, alarm in chosen
        ]
        text = "\n".join(lines).encode("ascii", "replace")[: _BANNER_BYTES - 1] + b"\0"
        levels = [int(alarm.level) for _, alarm in chosen] or [0]
        return {f"{self._base}:LATEST": list(text), f"{self._base}:LATEST_LEVELS": levels}

    def _post(self, values: dict[str, Value], publisher: Publisher) -> None:
        fresh = {name: value for name, value in values.items() if self._posted.get(name) != value}
        if fresh:
            publisher.post(fresh)
            self._posted.update(fresh)
