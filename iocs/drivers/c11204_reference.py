"""Which reference voltage a C11204 regulates to. It is set by ``HBV`` until power-off; nothing reads it back for certain.

A -01 reports its output setting. Of a -02 we know what we last set, what ``HRT`` reads (the stored value, by some accounts
the temporary one), and what comes out. Taken together they also tell that the module was switched off in between.
"""

from __future__ import annotations

from dataclasses import dataclass

from iocs.drivers.c11204_codec import Compensation, Monitor, Status

TOLERANCE_V = 0.1
"""An output this near a setpoint follows it; ten times what noise and quantisation make."""

SAME_V = 0.002
"""Two setpoints closer than this are the same one: a count is 1.8 mV."""


@dataclass(frozen=True, slots=True)
class Reference:
    """What is believed of the reference voltage."""

    volts: float
    told: bool = False
    """It is what we set."""
    follows: bool = False
    """``HRT`` has been seen to read back what ``HBV`` set, so it can be trusted."""


def believe(before: Reference | None, monitor: Monitor, stored: Compensation) -> tuple[Reference, bool]:
    """The belief after a poll, and whether the module was power-cycled since the last.

    Args:
        before: belief so far, ``None`` right after connecting.
        monitor: reply to ``HPO``.
        stored: reply to ``HRT``.
    """
    shift = shift_in_force(monitor, stored)
    if monitor.set_V is not None:
        return _from_setting(before, monitor.set_V - shift)
    at_rest = Status.ON in monitor.status and Status.STABLE in monitor.status
    output = monitor.vmon_V - shift
    if before is None or not before.told:
        if at_rest and abs(output - stored.reference_V) > TOLERANCE_V:
            return Reference(output), False
        return Reference(stored.reference_V), False
    if abs(stored.reference_V - before.volts) <= SAME_V:
        return Reference(before.volts, told=True, follows=True), False
    fell_back = at_rest and abs(output - before.volts) > TOLERANCE_V and abs(output - stored.reference_V) <= TOLERANCE_V
    if before.follows or fell_back:
        return Reference(stored.reference_V), True
    return before, False


def _from_setting(before: Reference | None, setting_V: float) -> tuple[Reference, bool]:
    if before is not None and abs(setting_V - before.volts) <= 2 * SAME_V:
        return before, False
    return Reference(setting_V), before is not None and before.told


def shift_in_force(monitor: Monitor, stored: Compensation) -> float:
    """Volts the module adds to its reference voltage now."""
    return stored.shift(monitor.temperature_C) if Status.COMPENSATION in monitor.status else 0.0
