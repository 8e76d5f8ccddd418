import errno
import os
import resource
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from archiver.engine import WRITE_S
from archiver.log import Log, LogLimits
from archiver.rows import Rows
from tests.archiver.making import payload_rows, sample_rows


def started(folder: Path, clock, **limits) -> Log:
    log = Log(folder, clock, LogLimits(**limits))
    log.start()
    return log


def values(log: Log) -> list[float]:
    return [value for view in log.views() for value in view.rows["value"].tolist()]


def test_what_was_written_is_there_after_a_kill(folder, clock):
    log = started(folder, clock)
    log.append(sample_rows([(1, 0, 1.0), (2, 0, 2.0)]))
    log.write()
    log.append(payload_rows([(3, 1, "on"), (4, 1, np.array([1, 2]))]))
    log.append(payload_rows([(3, 2, "off")]))
    log.write()
    log.append(sample_rows([(1, 3, 9.0)]))  # not written: lost, and nothing else
    (view,) = Log(folder, clock).views()
    assert view.rows["pv"].tolist() == [1, 2, 3, 4, 3]
    assert [view.payloads[number - 1] for number in view.rows["payload"].tolist()[2::2]] == ["on", "off"]


def test_a_torn_tail_is_cut_and_the_rest_kept(folder, clock):
    log = started(folder, clock)
    for second in range(3):
        log.append(sample_rows([(1, second, second)]))
        log.write()
    (path,) = folder.glob("*.log")
    whole = path.stat().st_size
    os.truncate(path, whole - 5)
    recovered = Log(folder, clock)
    assert values(recovered) == [0.0, 1.0]
    assert recovered.damaged_bytes > 0
    assert Log(folder, clock).damaged_bytes == 0


def test_files_that_are_no_log_are_set_aside(folder, clock, caplog):
    folder.mkdir()
    for number in (6, 7):
        (folder / f"{number:08d}.log").write_bytes(b"something else")
    log = started(folder, clock)
    assert sorted(path.name for path in folder.glob("*.bad")) == ["00000006.bad", "00000007.bad"]
    assert log.views()[0].sequence == 8
    assert log.damaged_bytes == 2 * len(b"something else")
    assert [text.split(": ")[0::2] for text in caplog.messages] == [
        [str(folder / f"{number:08d}.log"), "shorter than a log file header; set aside"] for number in (6, 7)
    ]


def test_whatever_order_the_disk_names_them_in_segments_come_back_in_theirs(folder, clock, monkeypatch):
    log = started(folder, clock)
    for number in range(5):
        log.append(sample_rows([(1, number, float(number))]))
        log.request_seal()
        clock.advance(1)
        log.write()
    alive, glob = clock.time_ns(), Path.glob
    clock.advance(100)
    for names in (sorted, partial(sorted, reverse=True)):
        monkeypatch.setattr(Path, "glob", lambda *args, names=names: iter(names(glob(*args))))
        again = Log(folder, clock)
        assert [view.sequence for view in again.views()] == [1, 2, 3, 4, 5, 6]
        assert values(again) == [0.0, 1.0, 2.0, 3.0, 4.0]
        assert again.alive_ns == alive
    assert Log(folder / "none", clock).alive_ns == 0


def test_a_segment_is_sealed_by_age_and_by_size(folder, clock):
    log = started(folder, clock, segment_s=10, segment_bytes=40 * 100)
    log.append(sample_rows([(1, 0, 0.0)]))
    log.write()
    assert not log.sealed
    clock.advance(10)
    log.write()
    assert [segment.sequence for segment in log.sealed] == [1]
    log.append(sample_rows([(1, second, 0.0) for second in range(100)]))
    log.write()
    assert [segment.sequence for segment in log.sealed] == [1, 2]
    assert len(values(log)) == 101
    clock.advance(9.9)
    log.append(sample_rows([(1, 101, 0.0)]))
    log.write()
    assert log.sequences == [1, 2, 3], "its own age counts, not that of the log"
    log.forget(1)
    assert [path.name for path in sorted(folder.iterdir())] == ["00000002.log", "00000003.log"]
    assert log.sequences == [2, 3]
    (folder / "00000002.log").unlink()  # by whomever
    log.forget(2)
    assert log.sequences == [3]


def test_an_empty_segment_is_not_sealed(folder, clock):
    log = started(folder, clock, segment_s=10)
    clock.advance(100)
    log.request_seal()
    log.write()
    assert not log.sealed


def test_the_log_knows_when_it_was_last_alive(folder, clock):
    log = started(folder, clock, alive_s=1.0)
    clock.advance(5)
    log.write()
    alive = clock.time_ns()
    clock.advance(100)
    assert Log(folder, clock).alive_ns == alive


def test_a_sign_of_life_is_written_when_nothing_else_was_for_so_long(folder, clock):
    log = started(folder, clock, alive_s=1.0)
    grown, size = [], log.bytes_on_disk
    for quarter in range(1, 17):
        clock.advance(0.25)
        if quarter == 6:
            log.append(sample_rows([(1, 0, 0.0)]))
        log.write()
        if log.bytes_on_disk > size:
            grown.append(quarter)
        size = log.bytes_on_disk
    assert grown == [4, 6, 10, 14]


def test_the_defaults_keep_what_is_promised():
    limits = LogLimits()
    assert limits.sync_s + WRITE_S < 1, "nothing older than a second is lost"
    assert limits.alive_s <= 1, "a gap is known to a second"
    assert limits.pending_bytes == 6_400_000 * sample_rows([(1, 0, 0.0)]).rows.nbytes


def test_a_full_disk_stops_writing_but_not_capturing(folder, clock):
    log = started(folder, clock, pending_bytes=1500 * 40)
    log.append(sample_rows([(1, 0, 0.0)]))
    log.write()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, hard))
    try:
        many = sample_rows([(1, second, float(second)) for second in range(1, 1001)])
        assert log.append(many)
        with pytest.raises(OSError, match=r"File too large|No space left") as caught:
            log.write()
        assert caught.value.errno in (errno.EFBIG, errno.ENOSPC)
        assert not log.append(many), "memory set aside is used up"
        assert values(Log(folder, clock)) == [0.0], "what was written is unharmed"
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    log.write()
    assert log.pending == 0
    assert values(Log(folder, clock)) == [float(second) for second in range(1001)]


class Disk:
    """Counts what is forced to the disk and may refuse it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.forced: list[Path] = []
        self.refuses = ""
        for name in ("fsync", "fdatasync"):
            monkeypatch.setattr(os, name, partial(self._force, getattr(os, name)))

    def _force(self, real: Callable[[int], None], descriptor: int) -> None:
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        if self.refuses and self.refuses in str(path):
            raise OSError(errno.EIO, "Input/output error")
        self.forced.append(path)
        real(descriptor)

    def take(self) -> list[str]:
        """Names of what was forced since the last call."""
        found, self.forced = [path.name for path in self.forced], []
        return found


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(monkeypatch)


def test_rows_are_forced_to_the_disk_when_that_is_due(folder, clock, disk):
    log = started(folder, clock, sync_s=0.4, alive_s=1.0)
    assert disk.take() == [folder.parent.name, "archive"], "a new folder has its name in the one above, a segment in its own"
    log.append(sample_rows([(1, 0, 0.0)]))
    log.write()
    assert (disk.take(), log.pending, log.pending_bytes) == ([], 0, 0)
    clock.advance(0.4)
    assert log.unsafe_s == pytest.approx(0.4)
    log.write()
    assert (disk.take(), log.unsafe_s) == (["00000001.log"], 0)
    clock.advance(0.5)
    log.write()
    assert disk.take() == [], "nothing new"
    clock.advance(0.5)
    log.write()
    assert disk.take() == ["00000001.log"], "a sign of life"
    log.append(sample_rows([(1, 1, 0.0)]))
    log.request_seal()
    log.write()
    assert disk.take() == ["archive", "00000001.log"], "the next segment has its name, this one is whole"
    assert len([link for link in Path("/proc/self/fd").iterdir() if link.resolve().parent == folder]) == 1, "it is closed"
    log.append(sample_rows([(1, 2, 0.0)]))
    size = sum(path.stat().st_size for path in folder.iterdir())
    assert log.bytes_on_disk == size
    log.close()
    assert disk.take() == ["00000002.log"]
    log.close()
    assert disk.take() == [], "closed already"
    assert values(Log(folder, clock)) == [0, 0, 0]


def test_a_sync_that_failed_is_not_believed_the_next_time(folder, clock, disk):
    log = started(folder, clock, sync_s=0.4)
    log.append(payload_rows([(1, 0, "first")]))
    log.write()
    disk.refuses = "archive/"
    clock.advance(1)
    for _ in range(2):
        with pytest.raises(OSError, match="Input/output"):
            log.write()
        log.append(payload_rows([(1, 1, "then")]))
    assert log.unsafe_s == pytest.approx(1)
    assert log.pending == 2, "they wait"
    disk.refuses = ""
    disk.take()
    log.write()
    assert disk.take() == ["00000001.rewritten", "archive"], "everything once more, under the same name"
    assert (log.pending, log.pending_bytes, log.unsafe_s) == (0, 0, 0)
    log.append(payload_rows([(1, 2, "later")]))
    clock.advance(1)
    log.write()
    assert disk.take() == ["00000001.log"]
    assert [path.name for path in folder.iterdir()] == ["00000001.log"]
    (view,) = Log(folder, clock).views()
    assert view.payloads == ["first", "then", "then", "later"]
    assert view.rows["payload"].tolist() == [1, 2, 3, 4]


def test_what_a_stop_left_of_writing_again_does_not_count(folder, clock):
    log = started(folder, clock)
    log.append(sample_rows([(1, 0, 5.0)]))
    log.write()
    (folder / "00000001.rewritten").write_bytes(b"half of it")
    assert values(Log(folder, clock)) == [5.0]
    assert [path.name for path in folder.iterdir()] == ["00000001.log"]


def test_a_segment_counts_as_sealed_only_when_the_disk_has_all_of_it(folder, clock, disk):
    log = started(folder, clock)
    log.append(sample_rows([(1, 0, 0.0)]))
    log.request_seal()
    disk.refuses = "00000001"
    with pytest.raises(OSError, match="Input/output"):
        log.write()
    assert log.sealed == ()
    log.append(sample_rows([(1, 1, 1.0)]))
    assert log.sequences == [1, 2]
    assert values(log) == [0, 1], "both are seen meanwhile"
    assert log.pending == 1
    assert log.pending_bytes == 40
    for _ in range(2):
        with pytest.raises(OSError, match="Input/output"):
            log.write()
    disk.refuses = ""
    log.write()
    assert [segment.sequence for segment in log.sealed] == [1]
    assert log.pending == 0
    log.request_seal()
    log.write()
    assert [segment.sequence for segment in log.sealed] == [1, 2]
    assert values(log) == values(Log(folder, clock)) == [0, 1]


@pytest.mark.parametrize("segments", [1, 2])
def test_a_log_that_cannot_be_closed_says_so_and_lets_go(folder, clock, disk, segments):
    before = set(Path("/proc/self/fd").iterdir())
    log = started(folder, clock)
    log.append(sample_rows([(1, 0, 0.0)]))
    disk.refuses = "00000001"
    if segments == 2:
        log.request_seal()
        with pytest.raises(OSError, match="Input/output"):
            log.write()
    with pytest.raises(OSError, match="Input/output"):
        log.close()
    assert set(Path("/proc/self/fd").iterdir()) == before
    log.close()
    assert log.pending == 0


def test_rows_that_say_what_was_lost_are_always_taken(folder, clock):
    log = started(folder, clock, pending_bytes=80)
    assert log.append(sample_rows([(1, 0, 1.0), (1, 1, 2.0)])), "to the last byte"
    assert not log.append(sample_rows([(1, 2, 3.0)]))
    assert log.append(sample_rows([(1, 3, 4.0)]), always=True)
    assert values(log) == [1, 2, 4]
    assert log.pending_bytes == 120
    log.write()
    assert log.append(sample_rows([(1, 4, 5.0), (1, 5, 6.0)])), "there is room again"


@pytest.mark.parametrize("payload", ["x" * 200, ["x" * 100, "y" * 100], np.zeros(30)])
def test_strings_and_arrays_count_as_memory(folder, clock, payload):
    log = started(folder, clock, pending_bytes=400)
    assert log.append(payload_rows([(1, 0, payload)]))
    assert not log.append(payload_rows([(1, 1, payload)]))
    assert log.pending == 1


def test_numbers_of_segments_are_never_used_again(folder, clock):
    log = started(folder, clock)
    log.forget(7)
    log.append(sample_rows([(1, 0, 1.0)]))
    log.request_seal()
    log.write()
    assert [view.sequence for view in log.views()] == [1, 8]
    folder.joinpath("00000020.log").write_bytes(b"something else")
    again = started(folder, clock)
    assert again.damaged_bytes == len(b"something else")
    assert [view.sequence for view in again.views()] == [1, 8, 21]


def test_what_is_appended_from_one_thread_while_another_writes_comes_back_whole(folder, clock):
    log = started(folder, clock, sync_s=0, segment_bytes=3000)
    done = threading.Event()

    def write() -> None:
        while not done.is_set():
            log.write()

    writer = threading.Thread(target=write)
    writer.start()
    for number in range(2000):
        assert log.append(payload_rows([(1, number, f"text {number}")]))
    done.set()
    writer.join()
    log.close()
    found = [view.payloads[number - 1] for view in Log(folder, clock).views() for number in view.rows["payload"].tolist()]
    assert found == [f"text {number}" for number in range(2000)]


def test_views_do_not_change_while_rows_come_in(folder, clock):
    log = started(folder, clock)
    log.append(sample_rows([(1, 0, 0.0)]))
    (view,) = log.views()
    for _ in range(20):
        log.append(Rows(np.repeat(sample_rows([(2, 0, 7.0)]).rows, 5000), []))
    assert view.rows["value"].tolist() == [0.0]


def test_other_files_in_the_folder_are_left_alone(folder, clock):
    folder.mkdir()
    (folder / "notes.log").write_text("call the expert")
    Log(folder, clock).start()
    assert (folder / "notes.log").read_text() == "call the expert"
