import errno
import os
import resource
from pathlib import Path

import numpy as np
import pytest

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


def test_a_file_that_is_no_log_is_set_aside(folder, clock):
    folder.mkdir()
    (folder / "00000007.log").write_bytes(b"something else")
    log = started(folder, clock)
    assert (folder / "00000007.bad").exists()
    assert log.views()[0].sequence == 8


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
    log.forget(1)
    assert [path.name for path in sorted(folder.iterdir())] == ["00000002.log", "00000003.log"]


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
