"""What is on the disk while a scan runs."""

from pathlib import Path

import pytest

from analysis.scan.operating_point import Held, OperatingPoint, OperatingPointFile
from sipmdcs.errors import BadInput, ServiceError

HELD = Held(56.0, True, 50.0, 5.0, 4.0, (50.0, 52.0, 54.0, 57.0), 56.0)
POINT = OperatingPoint("abc", "alice", "2026-11-21T10:00:00+00:00", 12, {"A:CH01": HELD, "A:CH02": HELD}, {"A": 1.0})


def test_what_is_saved_is_what_is_loaded(tmp_path: Path) -> None:
    file = OperatingPointFile(tmp_path / "scan" / "point.json")
    assert file.load() is None
    file.save(POINT)
    assert file.load() == POINT


def test_the_file_goes_with_the_last_of_it(tmp_path: Path) -> None:
    file = OperatingPointFile(tmp_path / "point.json")
    file.save(POINT.without({"A:CH01"}))
    loaded = file.load()
    assert loaded is not None
    assert set(loaded.channels) == {"A:CH02"}
    file.save(POINT.without({"A:CH01", "A:CH02"}))
    assert file.path.exists(), "the poll period is not back yet"
    file.save(POINT.without({"A:CH01", "A:CH02", "A"}))
    assert not file.path.exists()


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"channels": {"A": {}}}', '{"channels": 3}'])
def test_a_file_that_makes_no_sense_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "point.json"
    path.write_text(text)
    with pytest.raises(BadInput, match=r"point\.json: is no operating point"):
        OperatingPointFile(path).load()


def test_a_disk_that_refuses_is_said(tmp_path: Path) -> None:
    (tmp_path / "scan").write_text("in the way")
    with pytest.raises(ServiceError, match="the operating point cannot be kept"):
        OperatingPointFile(tmp_path / "scan" / "point.json").save(POINT)


@pytest.mark.parametrize(
    ("bias_V", "ours"),
    [(56.0, True), (50.0, True), (57.0, True), (54.04, True), (53.21, False), (49.0, False), (57.5, False), (0.0, False)],
)
def test_which_set_points_can_be_of_the_scan(bias_V: float, ours: bool) -> None:
    assert HELD.ours(bias_V) is ours
