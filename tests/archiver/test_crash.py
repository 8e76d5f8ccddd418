import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from archiver import manifest
from archiver.storage import Storage
from sipmdcs.channels import PvData
from sipmdcs.clock import NS, ManualClock
from tests.archiver.crash import SEGMENTS
from tests.archiver.making import START_NS


def contents(storage: Storage) -> dict[int, list[tuple[float, PvData]]]:
    found = {}
    for pv_id in (1, 2):
        samples = storage.reader.read(pv_id, 0, START_NS * 2, 100).samples
        times = ((samples.time_ns - START_NS) / NS).tolist()
        found[pv_id] = [(time, samples.data(index)) for index, time in enumerate(times)]
    return found


EXPECTED = {
    1: [pair for n in range(SEGMENTS) for pair in [(float(n), float(n)), (n + 0.5, f"text {n}")]],
    2: [(86_400.0 + n, float(n)) for n in range(SEGMENTS)],
}


@pytest.fixture
def root() -> Iterator[Path]:
    """A folder in memory where there is one: what a killed process wrote is there all the same, and no disk is waited for."""
    memory = Path("/dev/shm")
    with TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None) as folder:
        yield Path(folder)


@pytest.mark.timeout(180)
def test_killed_after_any_step_of_compaction_or_merging_the_archive_is_whole(root: Path):
    project = Path(__file__).parents[2]
    subprocess.run([sys.executable, "-m", "tests.archiver.crash", str(root)], cwd=project, check=True, timeout=150)
    folders = sorted(root.iterdir(), key=lambda path: int(path.name))
    assert len(folders) > 25, "every step was tried"
    for folder in folders:
        storage = Storage(folder, ManualClock(START_NS + 10**6 * NS))
        assert contents(storage) == EXPECTED, f"after step {folder.name}"
        storage.maintain()
        assert contents(storage) == EXPECTED, f"after step {folder.name} and upkeep"
        links = storage.reader.read(2, 0, START_NS * 2, 100).links
        assert len(links) == 0, "links before the first sample are not part of its history"
        with storage.catalogue.reading() as db:
            listed = {entry.path for entry in manifest.files(db)}
            waiting = {Path(path) for (path,) in db.execute("SELECT path FROM obsolete")}
        there = {path.relative_to(folder / "lake") for path in (folder / "lake").rglob("*.parquet*")}
        assert there == listed | waiting, f"after step {folder.name}: nothing is left over"
        storage.close()
