"""Which alarms have the same cause, as far as a mail can tell, and which are listed."""

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


def one_of_each(notices: Sequence[Notice], tree: Tree, rows: int) -> list[Notice]:
    """At most ``rows`` notices, the most urgent first, the most urgent one of each cause before any other."""
    oldest_first = sorted(notices, key=lambda notice: notice.pv_time_ns)
    ordered = sorted(oldest_first, key=lambda notice: notice.level.urgency, reverse=True)
    first: dict[str, Notice] = {}
    for notice in ordered:
        first.setdefault(cause_of(notice, tree), notice)
    leaders = list(first.values())[:rows]
    known = {id(notice) for notice in leaders}
    others = [notice for notice in ordered if id(notice) not in known][: rows - len(leaders)]
    chosen = known | {id(notice) for notice in others}
    return [notice for notice in ordered if id(notice) in chosen]
