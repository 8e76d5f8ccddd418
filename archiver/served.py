"""What the HTTP service works on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from archiver.catalogue import Catalogue
from archiver.query import Budget
from archiver.query_meter import QueryMeter
from archiver.reader import Reader
from archiver.recorder import PvActivity
from sipmdcs.clock import Clock


def _no_activity(name: str) -> PvActivity | None:
    return None


@dataclass(frozen=True, slots=True)
class Served:
    """An archive that answers."""

    catalogue: Catalogue
    reader: Reader
    clock: Clock
    budget: Budget = field(default_factory=Budget)
    activity: Callable[[str], PvActivity | None] = _no_activity
    """What happened to a PV since the start."""
    compact: Callable[[], None] = lambda: None
    """Have the log compacted soon."""
    figures: Callable[[], Mapping[str, float | int | str]] = field(default=dict)
    """Key figures of the service."""
    meter: QueryMeter = field(default_factory=QueryMeter)
