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
    for step in range(100):  # the first goes well, so that folders are there
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
            left = {f"{segment.sequence:08d}.parquet" for segment in storage.log.sealed}
            assert not [path for path in folder.rglob("*") if path.suffix == ".tmp" or path.name in left], disk.steps
            storage.maintain()
        disk.close()
        assert values(storage) == expected, disk.steps
        assert not storage.log.sealed
        if not refused and step > 0:
            assert step > 6, "compaction and merging"
            break
        assert step == 0 or "Input/output error" in refused
    storage.close()
    storage = opened(folder, clock)
    assert values(storage) == expected
    storage.close()


def test_an_archive_that_cannot_be_opened_says_why(tmp_path: Path) -> None:
    clock = ManualClock(START_NS)
    storage = opened(tmp_path, clock)
    storage.log.append(sample_rows([(1, 0, 1.0)]))
    storage.close()
    disk = Disk(tmp_path)
    disk.refuses = 1
    with disk.watched():
        with pytest.raises(ServiceError, match=f"^{tmp_path}: the archive cannot be opened: Input/output error$"):
            Storage(tmp_path, clock)
        assert "00000001.log" in disk.steps[0]
    disk.close()
