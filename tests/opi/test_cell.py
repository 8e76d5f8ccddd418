"""What a cell of the heat map says."""

from math import nan

import pytest

from opi.cell import Cell, Look, Motion, channel_cell
from sipmdcs.channelstate import ChannelState
from sipmdcs.severity import Severity

OK, MINOR, MAJOR, INVALID = Severity.NO_ALARM, Severity.MINOR, Severity.MAJOR, Severity.INVALID
S = ChannelState


@pytest.mark.parametrize(
    ("state", "value", "severity", "expected"),
    [
        (S.ON, 54.0, OK, Cell(Look.VALUE, 54.0)),
        (S.ON, 54.0, MAJOR, Cell(Look.VALUE, 54.0, MAJOR)),
        (S.RAMPING_UP, 30.0, OK, Cell(Look.VALUE, 30.0, OK, Motion.UP)),
        (S.RAMPING_DOWN, 30.0, MINOR, Cell(Look.VALUE, 30.0, MINOR, Motion.DOWN)),
        (S.OFF, 0.0, OK, Cell(Look.OFF, 0.0)),
        (S.STANDBY, 0.0, OK, Cell(Look.OFF, 0.0)),
        (S.TRIPPED, 0.0, MAJOR, Cell(Look.TRIPPED, 0.0, MAJOR)),
        (S.INTERLOCKED, 0.0, MINOR, Cell(Look.INTERLOCKED, 0.0, MINOR)),
        (S.ERROR, 0.0, MAJOR, Cell(Look.ERROR, 0.0, MAJOR)),
        (S.DISCONNECTED, 54.0, INVALID, Cell(Look.LOST, 54.0, INVALID)),
    ],
)
def test_state_and_severity_decide(state: ChannelState, value: float, severity: Severity, expected: Cell) -> None:
    assert channel_cell(state, value, severity, masked=False) == expected


def test_a_value_that_is_not_valid_is_not_painted_as_one() -> None:
    assert channel_cell(S.ON, nan, OK, masked=False).look is Look.UNKNOWN
    assert channel_cell(S.ON, 54.0, INVALID, masked=False).look is Look.UNKNOWN
    assert channel_cell(None, 54.0, OK, masked=False).look is Look.UNKNOWN


def test_a_masked_channel_never_alarms() -> None:
    assert channel_cell(S.TRIPPED, 0.0, MAJOR, masked=True) == Cell(Look.MASKED)


def test_a_channel_without_pvs_is_blank() -> None:
    assert channel_cell(S.ON, 54.0, OK, masked=False, cabled=False) == Cell(Look.BLANK)
