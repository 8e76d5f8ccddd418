"""Which alarms have the same cause, as far as a mail can tell, and which of several matters most."""

from __future__ import annotations

from collections.abc import Sequence

from alarms.level import Level
from alarms.paging import Notice
from alarms.tree import Tree, path_text

_DEPTH = 2
"""Parts of a path: subsystem and controller."""


def cause_of(notice: Notice, tree: Tree) -> str:
    """A kind of alarm and a place: ``LOST PVETO/HV13`` for PVs without a valid value, else ``MAJOR PVETO/HV13``.

    A dead IOC takes hundreds of PVs with it; they are one cause, and none of them tells anything about a value elsewhere.
    """
    kind = "LOST" if is_lost(notice) else notice.level.name
    leaf = tree.leaves.get(notice.pv)
    return f"{kind} {path_text(leaf.path[:_DEPTH]) if leaf else notice.pv}"


def is_lost(notice: Notice) -> bool:
    """Whether the PV has no valid value."""
    return notice.level.unacknowledged >= Level.INVALID


def urgency(notice: Notice) -> tuple[int, int]:
    """What matters most to who reads a mail: a MAJOR value before values that nobody knows, those before a MINOR one."""
    level = notice.level.unacknowledged
    return (2 if level is Level.MAJOR else 1 if is_lost(notice) else 0, level)


def one_of_each(notices: Sequence[Notice], tree: Tree, rows: int) -> list[Notice]:
    """At most ``rows`` notices, the most urgent first, the most urgent one of each cause before any other."""
    ordered = sorted(notices, key=lambda notice: ((-urgency(notice)[0], -urgency(notice)[1]), notice.pv_time_ns))
    first: dict[str, Notice] = {}
    for notice in ordered:
        first.setdefault(cause_of(notice, tree), notice)
    leaders = list(first.values())[:rows]
    known = {id(notice) for notice in leaders}
    others = [notice for notice in ordered if id(notice) not in known][: rows - len(leaders)]
    chosen = known | {id(notice) for notice in others}
    return [notice for notice in ordered if id(notice) in chosen]
