"""Connections and disconnections of one PV as columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Links:
    """When a PV came and went, in time order."""

    time_ns: NDArray[np.int64]
    """By this machine's clock."""
    connected: NDArray[np.bool_]
    """True when it came."""

    def __len__(self) -> int:
        return len(self.time_ns)


def no_links() -> Links:
    """None at all."""
    return Links(np.empty(0, np.int64), np.empty(0, np.bool_))


def join_links(parts: Sequence[Links], from_ns: int, to_ns: int) -> Links:
    """Links of several sources with ``from_ns`` < time <= ``to_ns``, in time order."""
    if not parts:
        return no_links()
    times = np.concatenate([part.time_ns for part in parts])
    connected = np.concatenate([part.connected for part in parts])
    inside = (times > from_ns) & (times <= to_ns)
    order = np.argsort(times[inside], kind="stable")
    return Links(times[inside][order], connected[inside][order])
