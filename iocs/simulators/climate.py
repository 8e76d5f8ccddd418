"""Temperature where a SiPM sits: the hall's daily and the cooling's hourly wave, an offset of its own, and sensor noise."""

from __future__ import annotations

import math

from iocs.simulators.sipm import seeded

_DAY_S = 86_400.0
_COOLING_S = 1_800.0


class Climate:
    """Temperatures around one controller; the same for the same controller in every run."""

    def __init__(self, controller: str, base_C: float = 25.0) -> None:
        draw = seeded("climate", controller)
        self._base_C = base_C + draw.uniform(-0.5, 0.5)
        self._phases = (draw.uniform(0, math.tau), draw.uniform(0, math.tau))
        self._controller = controller
        self._offsets: dict[int, float] = {}

    def temperature(self, channel: int, now: float) -> float:
        """True temperature at a channel, °C, at monotonic time ``now``."""
        if channel not in self._offsets:
            self._offsets[channel] = seeded("offset", self._controller, channel).gauss(0, 0.2)
        day, cooling = self._phases
        wave = 0.6 * math.sin(math.tau * now / _DAY_S + day) + 0.08 * math.sin(math.tau * now / _COOLING_S + cooling)
        return self._base_C + self._offsets[channel] + wave
