"""From where to where a limit bar reaches: pure."""

from __future__ import annotations

import math
from dataclasses import dataclass

_MARGIN = 0.25
"""Room beyond the outermost limit, as part of the span between the limits."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Alarm limits of a PV; NaN where there is none."""

    lolo: float = math.nan
    low: float = math.nan
    high: float = math.nan
    hihi: float = math.nan


def bar_range(limits: Limits, display: tuple[float, float]) -> tuple[float, float] | None:
    """Ends of the bar: the alarm limits with a margin where there are any, the display limits elsewhere.

    A current that alarms at 2 µA of a range of 50 µA would otherwise be a bar that is always empty.

    Args:
        limits: of the PV.
        display: LOPR and HOPR; equal if there are none.

    Returns:
        ``None`` if nothing says how long the bar should be.
    """
    bottom, top = display
    have_display = bottom < top
    lows = [limit for limit in (limits.lolo, limits.low) if not math.isnan(limit)]
    highs = [limit for limit in (limits.high, limits.hihi) if not math.isnan(limit)]
    if not lows and not highs:
        return display if have_display else None
    if (not lows and not have_display) or (not highs and not have_display):
        return None
    low_end = min(lows) if lows else bottom
    high_end = max(highs) if highs else top
    if low_end >= high_end:
        return display if have_display else None
    margin = (high_end - low_end) * _MARGIN
    low = low_end - margin if lows else low_end
    high = high_end + margin if highs else high_end
    if have_display:
        low, high = max(low, min(bottom, low_end)), min(high, max(top, high_end))
    return low, high
