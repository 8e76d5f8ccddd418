"""The state of the detector in a word."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opi.cell import Cell, Look, Motion
from opi.detector import ControllerRow, Detector
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


@given(st.lists(st.lists(st.sampled_from([ON, OFF, UP, TRIPPED, LOST, MASKED, BLANK]))))
def test_the_whole_is_the_sum_of_its_controllers(controllers: list[list[Cell]]) -> None:
    parts = [detector_state(cells) for cells in controllers]
    assert sum(parts, DetectorState()) == detector_state(cell for cells in controllers for cell in cells)


@pytest.mark.parametrize(
    ("pv", "channel"),
    [
        ("D:V:HV1:CH01:BIAS", "D:V:HV1:CH01"),
        ("D:V:HV1:CH16:BIAS.HIHI", "D:V:HV1:CH16"),
        ("D:V:HV1:CH17:BIAS", None),
        ("D:V:HV1:CH00:BIAS", None),
        ("D:V:HV1:CH1:BIAS", None),
        ("D:V:HV1:CH²:BIAS", None),
        ("D:V:HV1:STATE", None),
        ("D:V:HV2:CH01:BIAS", None),
        ("CH01", None),
        ("", None),
    ],
)
def test_the_channel_of_a_pv(pv: str, channel: str | None) -> None:
    row = ControllerRow("HV1", "V", "D:V:HV1", 16)
    detector = Detector("D", "D", (row,), (), None, "", "", "")
    found = detector.channel_of(pv)
    assert (None if found is None else found.prefix) == channel
