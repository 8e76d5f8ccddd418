"""Names of the PVs that show the alarm state of PVs and tree nodes.

``DET:PVETO:HV13:CH01:CURRENT_RBV`` alarms in ``DET:ALARM:PVETO:HV13:CH01:CURRENT_RBV``; the node ``PVETO/HV13/CH01`` shows in
``DET:ALARM:PVETO:HV13:CH01``. A PV of another site keeps its full name behind ``DET:ALARM:``. Characters outside ``A-Z0-9_:``
become ``_``; a name that is too long or taken ends in six digits of the hash of what it stands for, so that it never depends
on the rest of the tree being in the same order.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass

from alarms.tree import NodePath, Tree, path_text
from sipmdcs.epicsdb import MAX_NAME_LENGTH

_LONGEST_SUFFIX = len(":N_UNACKED")
"""Room that an area needs for its own PVs."""


@dataclass(frozen=True)
class Names:
    """Name of the state PV of everything in a tree."""

    nodes: dict[NodePath, str]
    leaves: dict[str, str]
    """By PV name."""


def state_names(prefix: str, tree: Tree, reserved: Iterable[str] = ()) -> Names:
    """Names of all state PVs below ``prefix:ALARM``, each different and none of ``reserved``.

    Args:
        prefix: first part of every PV name of the site.
        tree: nodes and leaves; a node goes before a leaf of the same name.
        reserved: names that are in use.
    """
    base = f"{prefix}:ALARM"
    taken = set(reserved)
    nodes: dict[NodePath, str] = {(): f"{base}:STATE"}
    taken.add(nodes[()])
    for path in tree.nodes:
        if path:
            nodes[path] = _unique(
                ":".join((base, *map(_clean, path))), path_text(path), taken, MAX_NAME_LENGTH - _LONGEST_SUFFIX
            )
            if len(path) == 1:
                taken |= {f"{nodes[path]}:N_ALARMS", f"{nodes[path]}:N_UNACKED"}
    leaves = {pv: _unique(f"{base}:{_clean(pv.removeprefix(f'{prefix}:'))}", pv, taken, MAX_NAME_LENGTH) for pv in tree.leaves}
    return Names(nodes, leaves)


def _clean(text: str) -> str:
    return re.sub(r"[^A-Z0-9_:]", "_", text.upper())


def _unique(name: str, meaning: str, taken: set[str], room: int) -> str:
    if len(name) > room or name in taken:
        digest = hashlib.sha256(meaning.encode()).hexdigest()[:6].upper()
        name = f"{name[: room - 7]}_{digest}"
    taken.add(name)
    return name
