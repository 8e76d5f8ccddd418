"""Whatever becomes of the catalogue, no sample is lost and none is taken for another PV's."""

import shutil
from pathlib import Path

import pytest

from archiver import merger
from archiver.storage import Storage
from sipmdcs.clock import NS, ManualClock
from sipmdcs.errors import ServiceError
from tests.archiver.making import START_NS, link_rows, payload_rows, sample_rows
from tests.archiver.test_storage import MONITOR, NAMES, compact, opened, seen, store

SECONDS = merger.MERGE_AT + 3


def make_archive(folder: Path, clock: ManualClock) -> None:
    """Merged files, single ones and a log: a sample of each PV a second."""
    storage = opened(folder, clock)
    for second in range(SECONDS):
        store(storage, sample_rows([(1, second, float(second)), (2, second, -float(second))]))
        store(storage, payload_rows([(3, second, f"text {second}")]))
        store(storage, link_rows([(1, second + 0.5, second % 2 == 0)]))
        compact(storage)
    store(storage, sample_rows([(1, SECONDS, 99.0)]))
    storage.close()


def contents(storage: Storage) -> list[object]:
    numbers = {name: number for number, name in enumerate(NAMES, 1)}
    texts = storage.reader.read(numbers["T:C"], 0, START_NS + 10**6 * NS, 1000).samples
    links = storage.reader.read(numbers["T:A"], 0, START_NS + 10**6 * NS, 1000).links
    return [seen(storage, 1), seen(storage, 2), [texts.data(index) for index in range(len(texts))], links.time_ns.tolist()]


def lose_catalogue(folder: Path) -> None:
    for path in folder.glob("catalogue.sqlite*"):
        path.unlink()


@pytest.fixture
def whole(folder: Path, clock: ManualClock) -> list[object]:
    """What the archive in ``folder`` holds."""
    make_archive(folder, clock)
    storage = opened(folder, clock)
    found = contents(storage)
    storage.close()
    assert found[0] == [(second, float(second)) for second in range(SECONDS)] + [(SECONDS, 99.0)]
    return found


@pytest.mark.parametrize(
    "spoil", [b"", b"no database" * 1000, b"SQLite format 3\0" + b"\xff" * 8000], ids=["lost", "text", "torn"]
)
def test_a_lost_catalogue_is_made_again(folder, clock, whole, spoil, caplog):
    lose_catalogue(folder)
    if spoil:
        (folder / "catalogue.sqlite").write_bytes(spoil)
    storage = Storage(folder, clock)
    storage.start(dict.fromkeys(["T:NEW", *reversed(NAMES)], MONITOR))  # in another order, to catch confused numbers
    assert contents(storage) == whole
    assert seen(storage, 4) == []
    for second in range(100, 100 + merger.MERGE_AT):
        store(storage, sample_rows([(1, second, float(second))]))
        compact(storage)
    assert len(seen(storage, 1)) == SECONDS + 1 + merger.MERGE_AT, "compaction and merging go on"
    storage.close()
    assert "files were not in the catalogue and are entered again" in caplog.text
    assert bool(list(folder.glob("catalogue.sqlite.damaged-*"))) is bool(spoil)


def test_an_older_catalogue_is_brought_up_to_date(folder, clock, tmp_path):
    storage = opened(folder, clock)
    store(storage, sample_rows([(1, 0, 0.0)]))
    compact(storage)
    storage.close()
    shutil.copy(folder / "catalogue.sqlite", tmp_path / "copy.sqlite")
    storage = Storage(folder, clock)
    storage.start(dict.fromkeys([*NAMES, "T:NEW"], MONITOR))
    for second in range(1, SECONDS):
        store(storage, sample_rows([(1, second, float(second)), (4, second, 4.0)]))
        compact(storage)
    storage.close()
    lose_catalogue(folder)
    shutil.copy(tmp_path / "copy.sqlite", folder / "catalogue.sqlite")
    storage = opened(folder, clock)
    assert seen(storage, 1) == [(second, float(second)) for second in range(SECONDS)]
    assert seen(storage, 4) == [(second, 4.0) for second in range(1, SECONDS)]
    storage.close()


def test_without_catalogue_and_numbers_nothing_is_touched(folder, clock, whole):
    lose_catalogue(folder)
    (folder / "pvs.csv").unlink()
    before = sorted(path for path in folder.rglob("*") if path.suffix in (".log", ".parquet"))
    with pytest.raises(ServiceError, match=r"catalogue\.sqlite and pvs\.csv are lost"):
        Storage(folder, clock)
    assert sorted(path for path in folder.rglob("*") if path.suffix in (".log", ".parquet")) == before


def test_numbers_of_another_archive_are_refused(folder, clock, whole):
    (folder / "pvs.csv").write_text("1,T:B\n2,T:A\n")
    with pytest.raises(ServiceError, match=r"pvs\.csv beside it says that PV 1 is T:B, the catalogue says otherwise"):
        Storage(folder, clock)


def test_files_that_cannot_be_entered_are_left_alone(folder, clock, whole, caplog):
    some = min(folder.glob("lake/scalar/*/*/*.parquet"))
    strange = [some.with_name("mine.parquet"), some.with_name("00009999.parquet")]
    strange[0].write_bytes(some.read_bytes())
    strange[1].write_bytes(b"no Parquet")
    storage = opened(folder, clock)
    assert contents(storage) == whole
    storage.close()
    assert all(path.exists() for path in strange)
    assert "mine.parquet: is no file of this lake and left alone" in caplog.text
    assert "00009999.parquet: cannot be entered into the catalogue and is left alone" in caplog.text
