"""Alarms as JSON for the HTTP interface, with the field names of Phoebus' state messages where it has such a field."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from alarms.names import Names
from alarms.rollup import Rollup
from alarms.state import AlarmState, PvState
from alarms.tree import Leaf, NodePath, Tree, path_text
from sipmdcs.clock import to_datetime

Json = dict[str, Any]


def iso(time_ns: int | None) -> str | None:
    """A moment as ISO 8601 text, UTC, microseconds."""
    return None if time_ns is None else to_datetime(time_ns).isoformat(timespec="microseconds").replace("+00:00", "Z")


def leaf_json(leaf: Leaf, state: PvState, state_pv: str) -> Json:
    """State of one PV."""
    by = state.acknowledgement
    return {
        "pv": leaf.pv,
        "path": path_text(leaf.path),
        "description": leaf.description,
        "severity": state.alarm.level.name,
        "latch": state.alarm.latch,
        "message": state.alarm.message,
        "value": state.alarm.value,
        "time": iso(state.alarm.time_ns),
        "current_severity": state.current.level.name,
        "current_message": state.current.message,
        "current_value": state.current.value,
        "acknowledged": None if by is None else {"user": by.user, "time": iso(by.time_ns), "comment": by.comment},
        "enabled": state.enabled,
        "state_pv": state_pv,
    }


def rules_json(leaf: Leaf) -> Json:
    """How a PV is meant to alarm."""
    return {
        "latching": leaf.rules.latching,
        "annunciating": leaf.rules.annunciating,
        "delay": leaf.rules.delay_s,
        "count": leaf.rules.count,
        "enabled": leaf.enabled if isinstance(leaf.enabled, bool) else leaf.enabled.isoformat(),
    }


def nodes_json(tree: Tree, below: NodePath, names: Names, rollup: Rollup) -> Iterator[Json]:
    """State of every node at or below a path, parents first."""
    return (
        {
            "path": path_text(path),
            "description": node.description,
            "severity": rollup.level(path).name,
            "alarms": rollup.alarms(path),
            "unacknowledged": rollup.unacknowledged(path),
            "state_pv": names.nodes[path],
        }
        for path, node in tree.nodes.items()
        if path[: len(below)] == below
    )


def sorted_alarms(states: Mapping[str, PvState], pvs: Iterable[str]) -> list[str]:
    """PVs by severity across PVs, worst first, the newest first among equals."""

    def key(pv: str) -> tuple[int, int, str]:
        alarm: AlarmState = states[pv].alarm
        return (-alarm.level, -alarm.time_ns, pv)

    return sorted(pvs, key=key)
