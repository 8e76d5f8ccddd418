"""Attempt after attempt, and what people do in between."""

from pathlib import Path

import pytest

from analysis.scan import restoration
from analysis.scan.operating_point import Held, OperatingPoint
from analysis.scan.recovery import Recovery
from tests.analysis.scan.fake_detector import CHANNELS, WORKING_V, FakeDetector

FIRST, SECOND, _ = CHANNELS
GRID = tuple(round(50.0 + 0.1 * step, 3) for step in range(71))
ON = Held(WORKING_V, True, 50.0, 5.0, 5.0, GRID, WORKING_V)


@pytest.fixture
def detector(monkeypatch: pytest.MonkeyPatch) -> FakeDetector:
    monkeypatch.setattr(restoration, "_PATIENCE_S", 0.05)
    return FakeDetector()


@pytest.fixture
def recovery(detector: FakeDetector, tmp_path: Path) -> Recovery:
    """Of two channels."""
    made = Recovery(detector.pvs, tmp_path / "point.json")
    made.note(OperatingPoint("u", "w", "t", None, {FIRST: ON, SECOND: ON}))
    return made


def test_a_set_point_that_is_back_is_not_ours_to_fight_for(detector: FakeDetector, recovery: Recovery) -> None:
    """Who resets a tripped channel and gives it another voltage, if one of the scan, means it."""
    detector.at(SECOND, 53.0)
    detector.trip(SECOND)
    assert list(recovery.attempt({}).pending) == [SECOND]
    assert detector.number(SECOND, "BIAS") == WORKING_V
    detector.at(SECOND, 54.0)
    report = recovery.attempt({})
    assert report.left == {SECOND: "was set to 54.000 V by somebody else, and is left so"}
    assert detector.number(SECOND, "BIAS") == 54.0
    assert recovery.waiting() is None


def test_a_set_point_that_is_not_back_is_tried_again(detector: FakeDetector, recovery: Recovery) -> None:
    detector.at(SECOND, 53.0)
    detector.pvs.disconnect(f"{SECOND}:STATE")
    assert list(recovery.attempt({}).pending) == [SECOND]
    waiting = recovery.waiting()
    assert waiting is not None
    assert waiting.channels == {SECOND: ON}


def test_what_is_given_up_is_forgotten(detector: FakeDetector, recovery: Recovery) -> None:
    detector.trip(SECOND)
    recovery.attempt({})
    recovery.give_up()
    assert (recovery.pending, recovery.waiting()) == ({}, None)
