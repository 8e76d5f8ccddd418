"""What a finger spectrum cannot tell from crosstalk, as a systematic uncertainty beside the statistical one.

Light that varies from flash to flash, afterpulses within the gate and the finite number of neighbours of a pixel change the
weights of the peaks almost as crosstalk does: the fit stays good while lambda is wrong. How much is known from the moments.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

LIGHT_SPREAD = 0.2
"""Standard deviation of the light of a flash over its mean, if condition ``light_spread`` says nothing else; a pulsed LED."""
AFTERPULSING = 0.05
"""Afterpulses within the gate per fired pixel, if condition ``afterpulsing`` says nothing else."""
FEW_NEIGHBOURS = 0.12
"""Of lambda: by how much it is low where each pixel has four neighbours, each of which can fire once."""


@dataclass(frozen=True, slots=True)
class LightSystematics:
    """One standard deviation of each quantity."""

    mu: float
    lam: float


def light_systematics(mu: float, lam: float, conditions: Mapping[str, float]) -> LightSystematics:
    """By how much light and crosstalk may be wrong though the fit is good.

    With a mean of ``m`` pixels the law has the variance ``m / (1 - lambda)²`` (Vinogradov, arXiv:1109.2014); light of relative
    spread ``r`` adds ``(m r)²``, which the fit takes for crosstalk. The mean is measured, so mu gives what lambda takes.
    """
    spread, afterpulsing = conditions.get("light_spread", LIGHT_SPREAD), conditions.get("afterpulsing", AFTERPULSING)
    mean = mu / (1 - lam)
    by_spread = (1 - lam) - (1 / (1 - lam) ** 2 + mean * spread**2) ** -0.5
    by_neighbours = FEW_NEIGHBOURS * max(lam, 0.0)
    return LightSystematics(
        mu=mean * float(np.hypot(by_spread, by_neighbours)),
        lam=float(np.linalg.norm([by_spread, afterpulsing * (1 - lam), by_neighbours])),
    )
