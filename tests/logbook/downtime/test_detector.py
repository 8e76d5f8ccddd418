"""From where a call comes, and what its message says."""

import pytest

from logbook.downtime.detector import detector_of
from logbook.downtime.file import Detector, DowntimeFile
from sipmdcs.errors import BadInput

FILE = DowntimeFile(
    detectors={
        "NEAR": Detector(hosts=("neardaq*",)),
        "FAR": Detector(hosts=("fardaq*",), partitions=("1",)),
        "TEST": Detector(partitions=("9",)),
    }
)


@pytest.mark.parametrize(
    ("host", "partition", "named", "expected"),
    [
        ("neardaq3", "", "", "NEAR"),
        ("NearDAQ3.example.org", "1", "", "NEAR"),
        ("fardaq", "1", "", "FAR"),
        ("fardaq", "", "", "FAR"),
        ("elsewhere", "9", "", "TEST"),
        ("neardaq3", "1", "TEST", "TEST"),
    ],
)
def test_which_is_meant(host: str, partition: str, named: str, expected: str) -> None:
    assert detector_of(FILE, host, partition, named) == expected


@pytest.mark.parametrize(
    ("host", "partition", "named", "problem"),
    [
        ("elsewhere", "", "", "host elsewhere belongs to no detector"),
        ("elsewhere", "1", "", "host elsewhere, partition '1' belongs to no detector"),
        ("fardaq", "2", "", "belongs to no detector"),
        ("neardaq3", "9", "", "belongs to several detectors; name one with --detector: NEAR, TEST"),
        ("neardaq3", "", "MIDDLE", "detector 'MIDDLE' is not in downtime.yaml, expected NEAR or FAR or TEST"),
    ],
)
def test_none_or_several_are_refused(host: str, partition: str, named: str, problem: str) -> None:
    with pytest.raises(BadInput, match=problem):
        detector_of(FILE, host, partition, named)
