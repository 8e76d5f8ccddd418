"""A capture written down: what a test asks about it."""

import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sipmdcs.channels import EVENT, Capture, Kind


@dataclass
class Recording:
    """Everything a capture has brought so far."""

    capture: Capture
    events: list[np.void] = field(default_factory=list)
    data: list[Any] = field(default_factory=list)
    dropped: int = 0
    _by_pv: dict[int, list[tuple[np.void, Any]]] = field(default_factory=lambda: defaultdict(list))

    def until(self, done: Callable[["Recording"], object], timeout: float = 30.0) -> "Recording":
        """Drain until enough is there."""
        deadline = time.monotonic() + timeout
        while not done(self):
            assert time.monotonic() < deadline, f"only {len(self.events)} events: {self.events[-5:]}"
            self.capture.wait(0.1)
            batch = self.capture.drain()
            assert batch.events.dtype == EVENT
            for index, event in enumerate(batch.events):
                self.events.append(event)
                self.data.append(batch.data(index))
                self._by_pv[int(event["pv"])].append((event, self.data[-1]))
            self.dropped += batch.dropped
        return self

    def kinds(self, pv: int) -> list[Kind]:
        return [Kind(event["kind"]) for event, _ in self._by_pv[pv]]

    def values(self, pv: int) -> list[Any]:
        """Without connection events."""
        return [value for event, value in self._by_pv[pv] if event["kind"] < Kind.CONNECTED]

    def alarms(self, pv: int) -> list[tuple[int, int]]:
        samples = (event for event, _ in self._by_pv[pv] if event["kind"] < Kind.CONNECTED)
        return [(int(event["severity"]), int(event["status"])) for event in samples]
