"""What runs a simulated controller: its endpoints, and a way to turn its knobs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from iocs.simulators.faults import Knob
from iocs.simulators.sipm import Sipm


@dataclass(frozen=True, slots=True)
class Setup:
    """What a simulated controller is made of."""

    name: str
    """Name of the controller; every random number follows from it."""
    sipms: Mapping[int, Sipm]
    """By channel, from 1."""


class SimulatedController(Protocol):
    """A controller that answers on its endpoints."""

    @property
    def endpoint(self) -> Mapping[str, str]:
        """Where it listens, as its driver wants it."""
        ...

    def turn(self, channel: int | None, knob: Knob, text: str) -> float | None:
        """Turn a knob; see ``Faults.turn``."""
        ...


Serve = Callable[[Setup], AbstractAsyncContextManager[SimulatedController]]
"""What ``ControllerType.simulator`` names: runs a controller as long as the context lasts."""
