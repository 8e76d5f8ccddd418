"""What an analysis says of one channel: quantities with uncertainties, or the reason why there are none.

It is the seam between the pure functions of ``analysis.fit`` and everything that stores, publishes or prints results.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from sipmdcs.errors import DcsError


class Kind(StrEnum):
    """What a raw result is; the shape of its array and the conditions that its analysis needs."""

    IV = "iv"
    """Shape (N, 2): bias in volt, current in ampere."""
    SPECTRUM = "spectrum"
    """Shape (N,): one charge per event, ADC counts."""
    DARK = "dark"
    """Shape (N,): pulses found in each window; condition ``window_s``."""


class NoResult(DcsError):
    """The data do not allow the quantity; the message says why, for a person."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One quantity of one channel by one method."""

    quantity: str
    """``vbr``, ``gain``, ``pedestal``, ``noise``, ``mu``, ``lambda``, ``crosstalk``, ``dark_rate``."""
    method: str
    unit: str
    value: float | None
    """``None`` if there is no result; never NaN."""
    uncertainty: float | None
    """One standard deviation, ``None`` without a value."""
    reason: str = ""
    """Why there is no value."""
    quality: Mapping[str, float | str] = field(default_factory=dict)
    """``chi2``, ``ndf`` and the like; ``branch``, which way of the analysis was taken; ``statistical`` and ``systematic``, the
    parts of the uncertainty where it has two."""

    def number(self, name: str, default: float = 0.0) -> float:
        """A number of ``quality``."""
        return float(self.quality.get(name, default))
