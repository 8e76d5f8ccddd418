"""Lake, log and memory as one archive: whatever was compacted or merged when, a query sees the same."""

import itertools
import os
import sqlite3
from pathlib import Path

import duckdb
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archiver import manifest, merger
from archiver.log import LogLimits
from archiver.reader import TooManySamples
from archiver.rows import Cause, Flag, Loss, Rows, loss_rows
from archiver.storage import Storage
from sipmdcs.clock import NS, ManualClock
from sipmdcs.errors import ServiceError
from sipmdcs.pvinfo import ArchiveMethod, ArchivePolicy
from tests.archiver.making import START_NS, link_rows, payload_rows, sample_rows

MONITOR = ArchivePolicy(ArchiveMethod.MONITOR, 1.0)
NAMES = ["T:A", "T:B", "T:C"]
EVER = (0, START_NS + 10**6 * NS)


def opened(folder: Path, clock: ManualClock) -> Storage:
    storage = Storage(folder, clock, LogLimits(sync_s=0))
    storage.start(dict.fromkeys(NAMES, MONITOR))
    return storage


def store(storage: Storage, made: Rows) -> None:
    storage.log.append(made)
    storage.log.write()


def compact(storage: Storage) -> None:
    storage.log.request_seal()
    storage.log.write()
    storage.maintain()


def seen(storage: Storage, pv_id: int, from_ns: int = EVER[0], to_ns: int = EVER[1]) -> list[tuple[int, float]]:
    samples = storage.reader.read(pv_id, from_ns, to_ns, 10**6).samples
    return list(zip(((samples.time_ns - START_NS) // NS).tolist(), samples.value.tolist(), strict=True))


def test_samples_are_the_same_in_memory_in_the_lake_and_after_a_restart(folder, clock):
    storage = opened(folder, clock)
    store(storage, sample_rows([(1, 0, 1.0), (2, 0, 5.0), (1, 1, 2.0)]))
    expected = [(0, 1.0), (1, 2.0)]
    assert seen(storage, 1) == expected
    compact(storage)
    assert not storage.log.sealed
    assert seen(storage, 1) == expected
    store(storage, sample_rows([(1, 2, 3.0)]))
    assert seen(storage, 1) == [*expected, (2, 3.0)]
    storage.close()
    storage = opened(folder, clock)
    assert seen(storage, 1) == [*expected, (2, 3.0)]
    assert seen(storage, 2) == [(0, 5.0)]
    storage.close()


PAYLOADS = ["on", ["a", "", "ü"], np.array([1.5, 2.5]), np.array([], np.float64), "", np.array([3.0])]


def test_strings_and_arrays_come_back_as_they_were(folder, clock):
    storage = opened(folder, clock)
    store(storage, payload_rows([(3, index, value) for index, value in enumerate(PAYLOADS)]))
    for _ in range(2):
        samples = storage.reader.read(3, *EVER, 100).samples
        for index, value in enumerate(PAYLOADS):
            np.testing.assert_array_equal(samples.data(index), value)
        compact(storage)
    storage.close()


def test_a_pv_that_changes_from_number_to_text_keeps_both(folder, clock):
    storage = opened(folder, clock)
    store(storage, sample_rows([(1, 0, 1.0), (1, 2, 3.0)]))
    store(storage, payload_rows([(1, 1, "two"), (1, 3, "four")]))
    for _ in range(2):
        samples = storage.reader.read(1, *EVER, 100).samples
        assert [samples.data(index) for index in range(4)] == [1.0, "two", 3.0, "four"]
        compact(storage)
    storage.close()


def test_links_and_runs(folder, clock):
    storage = opened(folder, clock)
    store(storage, sample_rows([(1, 0, 1.0)]))
    store(storage, link_rows([(1, 1, False), (1, 2, True)]))
    store(storage, sample_rows([(1, 3, 1.0)]))
    for _ in range(2):
        links = storage.reader.read(1, *EVER, 100).links
        assert ((links.time_ns - START_NS) // NS).tolist() == [1, 2]
        assert links.connected.tolist() == [False, True]
        compact(storage)
    clock.advance(10)
    storage.log.write()
    storage.close()
    clock.advance(5)
    storage = opened(folder, clock)
    with storage.catalogue.reading() as db:
        first, second = manifest.runs(db)
    assert (first.started_ns, first.stopped_ns) == (START_NS, START_NS + 10 * NS)
    assert (second.started_ns, second.stopped_ns) == (START_NS + 15 * NS, None)
    storage.close()


def test_a_run_that_was_killed_ended_when_the_log_was_last_written(folder, clock):
    storage = opened(folder, clock)
    clock.advance(7)
    storage.log.write()
    clock.advance(100)
    storage.catalogue.close()  # and not the storage: its files are as a kill leaves them
    os.close(storage._lock)
    storage = opened(folder, clock)
    with storage.catalogue.reading() as db:
        first, _ = manifest.runs(db)
    assert first.stopped_ns == START_NS + 7 * NS
    storage.close()


def test_one_archive_has_one_writer(folder, clock):
    storage = opened(folder, clock)
    with pytest.raises(ServiceError, match="another process archives here"):
        Storage(folder, clock)
    storage.close()


def test_a_folder_that_cannot_be_one_is_refused(folder, clock):
    folder.write_text("a file")
    with pytest.raises(ServiceError, match="the archive cannot be opened"):
        Storage(folder, clock)


def test_a_catalogue_of_another_version_is_refused(folder, clock):
    opened(folder, clock).close()
    with sqlite3.connect(folder / "catalogue.sqlite") as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(ServiceError, match="catalogue of version 99, expected 2"):
        Storage(folder, clock)


def test_losses_are_on_record(folder, clock):
    storage = opened(folder, clock)
    parts = [Loss(START_NS + s * NS, START_NS + (s + 1) * NS, Cause.OVERLOAD, 100) for s in (5, 6, 9)]
    for part in parts:
        store(storage, loss_rows(part))
    compact(storage)
    with storage.catalogue.reading() as db:
        found = db.execute("SELECT time_ns, end_ns, cause, count FROM loss").fetchall()
    whole = [(5, 7, 200), (9, 10, 100)]
    assert found == [(START_NS + start * NS, START_NS + end * NS, 1, count) for start, end, count in whole]
    storage.close()


def test_a_query_with_too_many_samples_is_refused(folder, clock):
    storage = opened(folder, clock)
    store(storage, sample_rows([(1, second, 0.0) for second in range(100)]))
    for _ in range(2):
        assert len(storage.reader.read(1, *EVER, 100).samples) == 100
        with pytest.raises(TooManySamples, match="limit is 40"):
            storage.reader.read(1, *EVER, 40)
        compact(storage)
    storage.close()


def test_the_newest_time_stamps_survive_a_restart(folder, clock):
    storage = opened(folder, clock)
    store(storage, sample_rows([(1, 5, 0.0), (1, 3, 0.0), (2, 1, 0.0)]))
    compact(storage)
    future = sample_rows([(2, 9, 0.0), (2, 10**6, 0.0)])
    future.rows["flags"][1] = Flag.FUTURE
    store(storage, future)
    storage.close()
    storage = opened(folder, clock)
    assert storage.newest_ns() == {1: START_NS + 5 * NS, 2: START_NS + 9 * NS, 3: 0}
    storage.close()


def test_other_programs_read_the_lake_as_it_lies(folder, clock):
    storage = opened(folder, clock)
    store(storage, sample_rows([(1, 0, 1.0), (2, 0, 5.0), (1, 1, 2.0)]))
    compact(storage)
    storage.close()
    query = f"SELECT pv, epoch_ns(time), value FROM '{folder}/lake/scalar/**/*.parquet' ORDER BY ALL"
    assert duckdb.connect().execute(query).fetchall() == [
        ("T:A", START_NS, 1.0),
        ("T:A", START_NS + NS, 2.0),
        ("T:B", START_NS, 5.0),
    ]


def test_merging_changes_nothing_but_the_files(folder, clock):
    storage = opened(folder, clock)
    for number in range(merger.MERGE_AT):
        store(storage, sample_rows([(1, 2 * number, number), (1, 2 * number + 1, -number), (2, 3.0, number)]))
        store(storage, payload_rows([(3, number, f"text {number}")]))
        store(storage, link_rows([(2, number, True)]))
        compact(storage)
    with storage.catalogue.reading() as db:
        files = manifest.files(db)
    assert sorted((file.partition.content, file.level) for file in files) == [("array", 1), ("link", 1), ("scalar", 1)]
    assert seen(storage, 1) == [
        pair for number in range(merger.MERGE_AT) for pair in [(2 * number, number), (2 * number + 1, -number)]
    ]
    assert seen(storage, 2) == [(3, float(merger.MERGE_AT - 1))], "of duplicates the one that came last"
    assert len(storage.reader.read(3, *EVER, 100).samples) == merger.MERGE_AT
    assert len(list((folder / "lake").rglob("*.parquet"))) == 3 * (merger.MERGE_AT + 1), "old files wait for readers"
    clock.advance(120)
    storage.maintain()
    assert len(list((folder / "lake").rglob("*.parquet"))) == 3
    storage.close()


def test_a_day_that_is_over_becomes_one_file(folder, clock):
    storage = opened(folder, clock)
    for number in range(merger.CLOSE_AT):
        store(storage, sample_rows([(1, number, number)]))
        compact(storage)
    clock.advance(3 * 86_400)
    storage.maintain()
    with storage.catalogue.reading() as db:
        assert len(manifest.files(db)) == 1
    assert len(seen(storage, 1)) == merger.CLOSE_AT
    storage.close()


SECONDS = st.integers(0, 40)
ACTIONS = st.lists(
    st.one_of(
        st.lists(st.tuples(st.integers(1, 2), SECONDS), min_size=1, max_size=6),
        st.sampled_from(["compact", "restart", "next day"]),
    ),
    max_size=12,
)


@pytest.mark.parametrize("damage", ["zeros", "cut", "gone", "within"])
def test_a_damaged_file_costs_what_is_in_it_and_nothing_else(folder, clock, caplog, damage):
    storage = opened(folder, clock)
    for second in range(merger.MERGE_AT - 1):
        store(storage, sample_rows([(1, second, float(second)), (2, second, 5.0)]))
        compact(storage)
    path = sorted(folder.rglob("*.parquet"))[3]
    content = path.read_bytes()
    if damage == "gone":
        path.unlink()
    else:
        start = content.index(b"PAR1") + 4
        path.write_bytes({"zeros": b"\0" * len(content), "cut": content[:100], "within": content[:start] + b"\xff" * 200
                          + content[start + 200 :]}[damage])  # fmt: skip
    expected = [(second, float(second)) for second in range(merger.MERGE_AT - 1) if second != 3]
    history = storage.reader.read(1, *EVER, 100)
    assert not history.complete
    assert seen(storage, 1) == expected
    for second in range(100, 102):  # one more than would do without the damaged one
        store(storage, sample_rows([(1, second, 0.0)]))
        compact(storage)
        expected.append((second, 0.0))
    assert seen(storage, 1) == expected
    assert len(list(folder.rglob("*-1.parquet"))) == 1, "the others are merged"
    assert caplog.text.count("cannot be read and is left out") == 1
    storage.close()


def test_lost_files_cost_what_is_in_them_and_replaced_ones_nothing_wherever_the_clock_is_set(folder, clock):
    storage = opened(folder, clock)
    for second in range(merger.MERGE_AT - 1):
        store(storage, sample_rows([(1, second, float(second))]))
        compact(storage)
    files = sorted(folder.rglob("*.parquet"))
    for path in files[:7]:
        path.unlink()
    assert not storage.reader.read(1, *EVER, 100).complete
    assert [second for second, _ in seen(storage, 1)] == list(range(7, merger.MERGE_AT - 1))
    for second in range(100, 108):
        store(storage, sample_rows([(1, second, 0.0)]))
        compact(storage)
    (merged,) = folder.rglob("*-1.parquet")
    clock.step(-3600)
    compact(storage)
    assert not any(path.exists() for path in files), "the time of grace does not last until the clock is where it was"
    assert merged.exists()
    assert len(seen(storage, 1)) == merger.MERGE_AT - 1 - 7 + 8
    storage.close()


def test_damage_that_merging_finds_stops_nothing(folder, clock):
    storage = opened(folder, clock)
    for second in range(merger.MERGE_AT + 1):
        store(storage, sample_rows([(1, second, float(second))]))
        if second == 4:
            min(folder.rglob("*.parquet")).write_bytes(b"")
        compact(storage)
    assert [second for second, _ in seen(storage, 1)] == list(range(1, merger.MERGE_AT + 1))
    storage.close()


@settings(max_examples=60)
@given(ACTIONS, SECONDS, SECONDS, SECONDS)
def test_any_split_of_an_interval_concatenates_to_the_whole(tmp_path_factory, actions, a, b, c):
    folder = tmp_path_factory.mktemp("law")
    clock = ManualClock(START_NS)
    storage = opened(folder, clock)
    model: dict[int, float] = {}
    counter = itertools.count()
    day = 0
    for action in actions:
        if action == "compact":
            compact(storage)
        elif action == "restart":
            storage.close()
            storage = opened(folder, clock)
        elif action == "next day":
            day += 86_400
        elif not isinstance(action, str):
            clock.advance(0.1)  # receive times grow, so that it is clear which duplicate came last
            samples = [(pv, day + second, float(next(counter))) for pv, second in action]
            made = sample_rows(samples)
            made.rows["received_ns"] = clock.time_ns() + 10**12 + np.arange(len(samples)) * 2_000_000
            store(storage, made)
            model |= {START_NS + second * NS: value for pv, second, value in samples if pv == 1}
    low, middle, high = (START_NS + second * NS for second in sorted((a, b + day, c + day)))

    def read(from_ns: int, to_ns: int) -> list[tuple[int, float]]:
        samples = storage.reader.read(1, from_ns, to_ns, 1000).samples
        return list(zip(samples.time_ns.tolist(), samples.value.tolist(), strict=True))

    before = [time_ns for time_ns in sorted(model) if time_ns <= low][-1:]
    inside = [time_ns for time_ns in sorted(model) if low < time_ns <= high]
    assert read(low, high) == [(time_ns, model[time_ns]) for time_ns in before + inside]
    second = [pair for pair in read(middle, high) if pair[0] > middle]
    assert read(low, middle) + second == read(low, high)
    storage.close()
