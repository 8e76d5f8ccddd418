"""How long a push waits for readbacks: as long as they come nearer, and their settling time after they stopped."""

from __future__ import annotations

import math

from configtool.pushplan import Item
from configtool.reading import Reading, distance


class Patience:
    """What is known of readbacks on their way.

    Args:
        start: when the waiting begins, seconds of a monotonic clock.
    """

    def __init__(self, start: float) -> None:
        self._start = start
        self._nearest: dict[str, tuple[float, float]] = {}

    def saw(self, item: Item, found: Reading, now: float, *, restoring: bool) -> None:
        """A reading at ``now``. It counts as nearer if it is so by more than the tolerance, so that noise does not."""
        wanted = item.before.setpoint if restoring else item.target.value
        away = math.inf if wanted is None else distance(item.target, found, wanted)
        before, _ = self._nearest.get(item.target.pv, (math.inf, self._start))
        if away < before - item.target.tolerance or item.target.pv not in self._nearest:
            self._nearest[item.target.pv] = (away, now)

    def has(self, item: Item, now: float) -> bool:
        """Whether waiting for this one still makes sense."""
        _, since = self._nearest.get(item.target.pv, (math.inf, self._start))
        return now - since < item.target.settle_s
