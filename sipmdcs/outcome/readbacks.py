"""Which readback proves which setpoint, and what its way there depends on.

Names follow the templates: ``X`` has the readback ``X_RBV`` beside it. A test compares this table with ``db_templates``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Readback:
    """How a write shows at the device."""

    pv: str = ""
    """Record that the device updates; empty if there is none."""
    goal: float | None = None
    """Value it takes, where that is not the value written."""
    momentary: bool = False
    """The setpoint record returns to 0 by itself, so its value says nothing."""
    level: str = ""
    """Record whose change takes the time: the voltage that ramps while an output is switched off."""
    ramps: tuple[str, str] | None = None
    """Records with the speeds of a rising and a falling level, unit of the level per second."""
    state: str = ""
    """Record that says whether the output is ramping (``ChannelState``)."""
    period: str = ""
    """Record with the time between two updates of the readback, s."""


_VALUE = {"BIAS": "BIAS_RBV", "ENABLE": "ENABLE_RBV", "COMPENSATION": "COMPENSATION_RBV", "POLL_PERIOD": "POLL_PERIOD_RBV"}
"""Setpoint and the readback that shows the same value."""

_MOMENTARY = {"TRIP_RESET": "TRIP", "KILL": "N_ON", "ALL_OFF": "N_ON", "ALL_ON": "", "RESET": "", "COMP_STORE": ""}
"""Command and the readback that becomes 0 by it."""

_RAMPING = frozenset({"BIAS", "ENABLE", "ALL_OFF"})

_CHANNEL = re.compile(r"(?P<controller>.+):CH\d+")


def readback_of(pv: str) -> Readback:
    """The readback of a setpoint by the names of the templates; an empty one for a setpoint that has none."""
    prefix, _, suffix = pv.rpartition(":")
    if not prefix or suffix not in _VALUE | _MOMENTARY:
        return Readback()
    if suffix in _MOMENTARY and not _MOMENTARY[suffix]:
        return Readback(momentary=True)
    channel = _CHANNEL.fullmatch(prefix)
    period = f"{channel['controller'] if channel else prefix}:POLL_PERIOD_RBV"
    level, ramps, state = "", None, ""
    if suffix in _RAMPING:
        output = prefix if channel else f"{prefix}:CH01"  # of a controller: its first channel stands for all
        level, ramps, state = f"{output}:BIAS_RBV", (f"{output}:RAMP_UP", f"{output}:RAMP_DOWN"), f"{prefix}:STATE"
    momentary = suffix in _MOMENTARY
    readback = f"{prefix}:{_MOMENTARY[suffix] if momentary else _VALUE[suffix]}"
    return Readback(readback, 0.0 if momentary else None, momentary, level, ramps, state, period)
