"""Where the run documents go, when the disk does not take them."""

from pathlib import Path

import numpy as np
import pytest

from analysis.scan.documents import DocumentFile
from sipmdcs.errors import ServiceError


def test_a_file_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "scan").write_text("in the way")
    with pytest.raises(ServiceError, match=r"a\.jsonl: the run documents cannot be kept: "):
        DocumentFile(tmp_path / "scan" / "a.jsonl")


def test_a_full_disk_is_named_and_closing_is_quiet() -> None:
    file = DocumentFile(Path("/dev/full"))
    with pytest.raises(ServiceError, match="/dev/full: the run documents cannot be kept: No space left on device"):
        file("start", {"uid": "a", "numbers": np.arange(3), "one": np.float64(1)})
    file.close()


def test_numbers_of_numpy_are_plain(tmp_path: Path) -> None:
    file = DocumentFile(tmp_path / "new" / "a.jsonl")
    file("event", {"data": np.arange(2), "one": np.float64(1.5)})
    file("stop", {})
    file.close()
    assert (tmp_path / "new" / "a.jsonl").read_text() == '["event", {"data": [0, 1], "one": 1.5}]\n["stop", {}]\n'
