"""How long to wait before the next attempt to connect: longer each time, never in step with others."""

from __future__ import annotations

import random
from dataclasses import dataclass

FIRST_S = 0.5
CAP_S = 10.0
"""An operator who plugs a cable back in should not have to wait longer."""


@dataclass(frozen=True, slots=True)
class Backoff:
    """Attempts that failed in a row."""

    failures: int = 0

    def failed(self) -> Backoff:
        """After one more failure."""
        return Backoff(self.failures + 1)

    def delay(self, draw: random.Random) -> float:
        """Seconds to wait: between half and all of the doubled and capped step."""
        ceiling = min(CAP_S, FIRST_S * 2 ** min(self.failures, 16))
        return draw.uniform(ceiling / 2, ceiling)
