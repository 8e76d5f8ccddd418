"""The state of the detector in a word."""

import pytest

from opi.cell import Cell, Look, Motion
from opi.detector_state import DetectorState, detector_state
from sipmdcs.severity import Severity

ON, OFF, UP = Cell(Look.VALUE, 54.0), Cell(Look.OFF), Cell(Look.VALUE, 30.0, motion=Motion.UP)
TRIPPED, LOST, MASKED, BLANK = Cell(Look.TRIPPED), Cell(Look.LOST), Cell(Look.MASKED), Cell(Look.BLANK)


@pytest.mark.parametrize(
    ("cells", "text", "severity"),
    [
        ([ON, ON], "ON 2/2", Severity.NO_ALARM),
        ([OFF, OFF], "OFF 0/2", Severity.NO_ALARM),
        ([ON, OFF], "PARTLY ON 1/2", Severity.NO_ALARM),
        ([ON, UP], "RAMPING 1/2", Severity.NO_ALARM),
        ([ON, TRIPPED], "PARTLY ON 1/2 · 1 tripped", Severity.MAJOR),
        ([ON, LOST, LOST], "PARTLY ON 1/3 · 2 no value", Severity.INVALID),
        ([ON, TRIPPED, LOST], "PARTLY ON 1/3 · 1 tripped · 1 no value", Severity.MAJOR),
        ([LOST, LOST], "DISCONNECTED 2 channels", Severity.INVALID),
        ([ON, MASKED, BLANK], "ON 1/1", Severity.NO_ALARM),
    ],
)
def test_words(cells: list[Cell], text: str, severity: Severity) -> None:
    state = detector_state(cells)
    assert state.text == text
    assert state.severity is severity


def test_every_cabled_channel_is_counted_once() -> None:
    state = detector_state([Cell(look) for look in Look])
    assert state.total + state.masked == len(Look) - 1
    assert state == DetectorState(on=1, off=1, tripped=2, interlocked=1, unknown=3, masked=1)
