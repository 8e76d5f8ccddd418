"""Upkeep of the archive on a disk that refuses one step, any one."""

from pathlib import Path

import pytest

from archiver import merger
from archiver.log import LogLimits
from archiver.storage import Storage
from sipmdcs.clock import ManualClock
from sipmdcs.errors import ServiceError
from sipmdcs.pvinfo import ArchiveMethod, ArchivePolicy
from tests.archiver.making import START_NS, sample_rows
from tests.losing_power import Disk


def values(storage: Storage) -> list[float]:
    return storage.reader.read(1, 0, storage.clock.time_ns(), 1000).samples.value.tolist()


def opened(folder: Path, clock: ManualClock) -> Storage:
    storage = Storage(folder, clock, LogLimits(sync_s=0))
    storage.start({"T:A": ArchivePolicy(ArchiveMethod.MONITOR, 1.0)})
    return storage


def test_upkeep_that_is_refused_at_any_step_says_so_and_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(merger, "CLOSE_AT", 2)  # each new file is merged with what is there
    folder, clock = tmp_path / "archive", ManualClock(START_NS)
    storage = opened(folder, clock)
    clock.advance(3 * 86_400)
    expected: list[float] = []
    for step in range(1, 100):
        expected.append(float(step))
        storage.log.append(sample_rows([(1, step, float(step))]))
        storage.log.request_seal()
        storage.log.write()
        disk = Disk(folder)
        disk.refuses = step
        refused = ""
        with disk.watched():
            try:
                storage.maintain()
            except (OSError, ServiceError) as err:
                refused = str(err)
            assert values(storage) == expected, disk.steps
            storage.maintain()
        disk.close()
        assert values(storage) == expected, disk.steps
        assert not storage.log.sealed
        if not refused:
            assert step > 6, "compaction and merging"
            break
        assert "Input/output error" in refused
    storage.close()
    storage = opened(folder, clock)
    assert values(storage) == expected
    storage.close()
