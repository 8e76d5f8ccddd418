"""The voltages of one curve. Pure."""

from __future__ import annotations

import math

from analysis.scan.request import MAX_POINTS, ScanRequest
from sipmdcs.errors import BadInput


def voltages(request: ScanRequest, breakdown_V: float) -> tuple[float, ...]:
    """Setpoints of a channel, ascending, V; to the millivolt, so that they read well.

    Args:
        request: the scan.
        breakdown_V: of the channel at its present temperature; NaN if unknown, which only matters to relative levels.

    Raises:
        BadInput: the range is empty, has too many points, or is relative to a breakdown voltage that is unknown.
    """
    start, stop = request.from_level.at(breakdown_V), request.to_level.at(breakdown_V)
    if math.isnan(start) or math.isnan(stop):
        raise BadInput("its breakdown voltage at this temperature is not known, give the range in volts")
    if start >= stop:
        raise BadInput(f"a range from {start:.3f} to {stop:.3f} V goes nowhere")
    count = math.floor((stop - start) / request.step_V + 1e-6) + 1
    if count > MAX_POINTS:
        raise BadInput(f"{count} points are more than {MAX_POINTS}; make the step larger or the range smaller")
    return tuple(round(start + index * request.step_V, 3) for index in range(count))
