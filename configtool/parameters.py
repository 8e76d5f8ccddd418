"""What can be set on a channel, and how a push writes and verifies it.

The table ``config_parameter`` holds these definitions; ``INITIAL`` fills it when it is made.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import IntEnum, StrEnum

BIAS = "BIAS"
OVERVOLTAGE = "OVERVOLTAGE"
VBR = "VBR"
CURRENT_NOMINAL = "CURRENT_NOMINAL"
CURRENT_HIGH = "CURRENT_HIGH"
CURRENT_HIHI = "CURRENT_HIHI"
CURRENT_LIMIT = "CURRENT_LIMIT"


class Phase(IntEnum):
    """Order of writing: each phase starts when the one before is verified; roll-back goes the other way. Stored by number."""

    LIMITS = 1
    """Limits and calibration, so that a new voltage meets its own limits."""
    VOLTAGE = 2
    ENABLE = 3
    """Switching on and off; nothing is switched by a push so far."""


class WriteMode(StrEnum):
    """How a value reaches the IOC."""

    PUT = "put"
    """Written through Channel Access by a push."""
    RENDER = "render"
    """Written into the files an IOC boots from, and read-only there."""
    NONE = "none"
    """Only an input of formulas."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """Definition of one setting of a channel."""

    name: str
    unit: str
    minimum: Decimal
    maximum: Decimal
    write_mode: WriteMode
    phase: Phase = Phase.LIMITS
    pv_suffix: str = ""
    """PV below the channel's prefix, a field included where it is one."""
    readback_suffix: str = ""
    """PV that shows what the device took; empty where the setpoint itself is all there is."""
    tolerance: Decimal = Decimal(0)
    """Absolute, in ``unit``: values closer than this are equal."""
    settle_s: Decimal = Decimal(0)
    """How long a readback that has not arrived may stand still before it is given up; a slow ramp may take longer."""
    macro: str = ""
    """Template macro that carries the value into rendered files."""
    calibration: bool = False
    """A measured property of the sensor rather than a choice."""
    description: str = ""


INITIAL = (
    Parameter(
        VBR,
        "V",
        Decimal(0),
        Decimal(200),
        WriteMode.PUT,
        pv_suffix="VBR",
        tolerance=Decimal("0.001"),
        settle_s=Decimal(2),
        macro="VBR_NOMINAL",
        calibration=True,
        description="breakdown voltage",
    ),
    Parameter(
        CURRENT_NOMINAL,
        "uA",
        Decimal(0),
        Decimal(10_000),
        WriteMode.NONE,
        calibration=True,
        description="dark current at the operating voltage",
    ),
    Parameter(
        # 10 V is well above what any SiPM is run at (S13360: 3 to 5 V), so that a swapped column is caught.
        OVERVOLTAGE,
        "V",
        Decimal(0),
        Decimal(10),
        WriteMode.NONE,
        description="operating voltage above breakdown",
    ),
    Parameter(
        CURRENT_HIGH,
        "uA",
        Decimal(0),
        Decimal(10_000),
        WriteMode.RENDER,
        pv_suffix="CURRENT_RBV.HIGH",
        tolerance=Decimal("0.0001"),
        macro="I_HIGH",
        description="current that alarms as MINOR",
    ),
    Parameter(
        CURRENT_HIHI,
        "uA",
        Decimal(0),
        Decimal(10_000),
        WriteMode.RENDER,
        pv_suffix="CURRENT_RBV.HIHI",
        tolerance=Decimal("0.0001"),
        macro="I_HIHI",
        description="current that alarms as MAJOR",
    ),
    Parameter(
        CURRENT_LIMIT,
        "uA",
        Decimal(0),
        Decimal(10_000),
        WriteMode.PUT,
        pv_suffix="CURRENT_LIMIT",
        tolerance=Decimal("0.001"),
        settle_s=Decimal(2),
        macro="I_LIMIT",
        description="current that trips the channel",
    ),
    Parameter(
        # 10 mV covers the converter steps of the devices; in 10 s a device is polled several times, even a slow one.
        BIAS,
        "V",
        Decimal(0),
        Decimal(200),
        WriteMode.PUT,
        Phase.VOLTAGE,
        pv_suffix="BIAS",
        readback_suffix="BIAS_RBV",
        tolerance=Decimal("0.010"),
        settle_s=Decimal(10),
        description="bias voltage",
    ),
)

INITIAL_DEFAULTS = {
    BIAS: f"{VBR} + {OVERVOLTAGE}",
    CURRENT_HIGH: f"5 * {CURRENT_NOMINAL}",
    CURRENT_HIHI: f"20 * {CURRENT_NOMINAL}",
    CURRENT_LIMIT: "50",
}
"""Default layer of a first import, besides ``OVERVOLTAGE`` that the table gives."""
