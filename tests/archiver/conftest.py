from pathlib import Path

import pytest

from sipmdcs.clock import ManualClock
from tests.archiver.making import START_NS


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START_NS)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "archive"
