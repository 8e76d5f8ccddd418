from __future__ import annotations

from math import nan

import pytest

from configtool.layers import ChannelId
from configtool.preflight import refusals
from configtool.targets import Target
from sipmdcs.channels import PvMetadata, PvType, PvValue
from sipmdcs.errors import ChannelError, NotConnected
from sipmdcs.severity import Severity, Status

TARGET = Target(ChannelId("17", 1), "HV17", "BIAS", "A", "A_RBV", 57.42, "V", 0.01, 1.0, 2, 0.0, 80.0)
GOOD = PvValue(55.0, Severity.NO_ALARM, Status.NO_ALARM, 0)
INVALID = PvValue(55.0, Severity.INVALID, Status.COMM, 0)
DOUBLE = PvMetadata(PvType.DOUBLE, 1, control=(0.0, 80.0))


@pytest.mark.parametrize(
    ("setpoint", "readback", "about", "expected"),
    [
        (GOOD, GOOD, DOUBLE, []),
        (INVALID, GOOD, DOUBLE, []),
        (GOOD, GOOD, PvMetadata(PvType.DOUBLE, 1, control=(0.0, 0.0)), []),
        (GOOD, GOOD, PvMetadata(PvType.DOUBLE, 1, control=(57.42, 57.42)), []),
        (NotConnected("A", "no answer"), GOOD, NotConnected("A", "no answer"), ["A: no answer"]),
        (GOOD, NotConnected("A_RBV", "no answer"), DOUBLE, ["A_RBV: no answer"]),
        (
            NotConnected("A", "no answer"),
            NotConnected("A_RBV", "no answer"),
            NotConnected("A", "no answer"),
            ["A: no answer", "A_RBV: no answer"],
        ),
        (GOOD, GOOD, NotConnected("A", "went away"), ["A: went away"]),
        (GOOD, INVALID, DOUBLE, ["A_RBV is INVALID (COMM): what it holds could neither be verified nor restored"]),
        (
            PvValue(nan, Severity.INVALID, Status.UDF, 0),
            GOOD,
            DOUBLE,
            ["A is nan: what it holds could neither be verified nor restored"],
        ),
        (
            PvValue("on", Severity.NO_ALARM, Status.NO_ALARM, 0),
            GOOD,
            PvMetadata(PvType.STRING, 1),
            ["A: is STRING x 1, expected one number"],
        ),
        (GOOD, GOOD, PvMetadata(PvType.DOUBLE, 16), ["A: is DOUBLE x 16, expected one number"]),
        (GOOD, GOOD, PvMetadata(PvType.DOUBLE, 1, writable=False), ["A: may not be written from here"]),
        (
            GOOD,
            GOOD,
            PvMetadata(PvType.DOUBLE, 1, control=(0.0, 57.0)),
            ["A: 57.42 V is outside 0 to 57 V, the limits of the PV"],
        ),
        (
            GOOD,
            GOOD,
            PvMetadata(PvType.DOUBLE, 1, control=(60.0, 90.0), writable=False),
            ["A: may not be written from here", "A: 57.42 V is outside 60 to 90 V, the limits of the PV"],
        ),
    ],
)
def test_every_reason_is_named(
    setpoint: PvValue | ChannelError, readback: PvValue | ChannelError, about: PvMetadata | ChannelError, expected: list[str]
) -> None:
    assert refusals([TARGET], {"A": setpoint, "A_RBV": readback}, {"A": about}) == expected


def test_the_limits_of_the_settings_hold_too() -> None:
    low = Target(ChannelId("17", 1), "HV17", "BIAS", "A", "A_RBV", 90.0, "V", 0.01, 1.0, 2, 0.0, 80.0)
    about = PvMetadata(PvType.DOUBLE, 1)
    assert refusals([low], {"A": GOOD, "A_RBV": GOOD}, {"A": about}) == [
        "A: 90 V is outside 0 to 80 V, the limits of the settings"
    ]
