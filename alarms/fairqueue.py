"""Whose turn it is when many PVs wait: each branch of the alarm tree in turn, and within it each of its branches."""

from __future__ import annotations

from collections import deque

from alarms.tree import NodePath

_OWN = ""
"""The PVs right below a node, as one more branch; no part of a path is empty."""


class FairQueue:
    """PVs that wait for a turn, by their place in the tree.

    However many PVs of one subsystem go into alarm, one of another subsystem waits for a single turn of theirs, and one of
    another controller for a single turn of each controller. PVs right below the same node go in the order in which they came.
    """

    def __init__(self) -> None:
        """Nobody waits."""
        self.order: deque[str] = deque()
        """Branches in which something waits, in turn."""
        self._branches: dict[str, FairQueue] = {}
        self._own: deque[str] = deque()

    def add(self, path: NodePath, pv: str) -> None:
        """A PV wants a turn; ``path`` leads to the node it hangs below. It must not wait for one already."""
        if not path:
            if not self._own:
                self.order.append(_OWN)
            self._own.append(pv)
            return
        below = self._branches.get(path[0])
        if below is None:
            below = self._branches[path[0]] = FairQueue()
        if not below:
            self.order.append(path[0])
        below.add(path[1:], pv)

    def __bool__(self) -> bool:
        return bool(self.order)

    def next(self) -> str:
        """The PV whose turn it is; it waits no longer.

        Raises:
            IndexError: nobody waits.
        """
        name = self.order.popleft()
        if name == _OWN:
            pv, left = self._own.popleft(), self._own
        else:
            branch = self._branches[name]
            pv, left = branch.next(), branch.order
        if left:
            self.order.append(name)
        return pv
