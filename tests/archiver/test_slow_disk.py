"""The real archiver on a disk that hangs or fails, made so by a shim before libc, and every durable write it makes."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.archiver.processes import ArchiverProcess, base_ioc, ca_environment, wait_until
from tests.fsync_recorder import FsyncRecorder, durable

RECORDS = 20
DATABASE = "".join(
    f'record(calc, "SD:N{number}") {{ field(SCAN, ".1 second") field(INPA, "SD:N{number}") field(CALC, "A+1") }}\n'
    for number in range(RECORDS)
)
NAMES = [f"SD:N{number}" for number in range(RECORDS)]


@pytest.fixture
def recorder(tmp_path: Path) -> FsyncRecorder:
    return FsyncRecorder(tmp_path / "shim")


@pytest.fixture
def environment(free_ports: Callable[[int], list[int]]) -> dict[str, str]:
    return ca_environment(*free_ports(2))


@pytest.fixture
def archiver(tmp_path: Path, environment: dict[str, str], recorder: FsyncRecorder, free_port: int) -> Iterator[ArchiverProcess]:
    process = ArchiverProcess(tmp_path, NAMES, free_port, environment | recorder.environment)
    yield process
    recorder.control()
    process.close()


def metrics(archiver: ArchiverProcess) -> dict[str, float]:
    (found,) = archiver.client.get("/mgmt/bpl/getInstanceMetrics").json()
    return {key: float(value) for key, value in found.items() if key != "instance"}


def values(archiver: ArchiverProcess, pv: str, since: float) -> list[Any]:
    return [sample["val"] for sample in archiver.history(pv, since, time.time() + 10)]


@pytest.mark.parametrize("call", ["fdatasync", "writev"])
def test_capture_goes_on_while_the_disk_hangs(tmp_path, environment, archiver, recorder, call):
    since = time.time()
    with base_ioc(tmp_path, DATABASE, environment):
        archiver.start()
        wait_until(lambda: len(values(archiver, NAMES[0], since)) > 5, "samples come in")
        recorder.control(f"{call} .log 600000")  # longer than any test: the thread that writes is stuck
        wait_until(lambda: metrics(archiver).get("LOG_LAG", 0) > 2, "the archiver says that the disk hangs")
        before = metrics(archiver)["EVENTS"]
        newest = values(archiver, NAMES[0], since)[-1]
        wait_until(lambda: metrics(archiver)["EVENTS"] > before + 10 * RECORDS, "events are counted")
        wait_until(lambda: values(archiver, NAMES[0], since)[-1] > newest + 10, "what came in meanwhile is served")
        assert metrics(archiver)["LOST"] == 0
        for name in NAMES:
            found = values(archiver, name, since)
            assert found == list(range(int(found[0]), int(found[0]) + len(found))), "every value once"
    assert archiver.kill() is None


def test_a_disk_that_was_slow_costs_nothing(tmp_path, environment, archiver, recorder):
    since = time.time()
    with base_ioc(tmp_path, DATABASE, environment):
        archiver.start()
        wait_until(lambda: len(values(archiver, NAMES[0], since)) > 5, "samples come in")
        recorder.control("fdatasync .log 1500", "fdatasync catalogue 1500", "fsync catalogue 1500")
        wait_until(lambda: metrics(archiver)["LOG_LAG"] > 1.2, "it is slow")
        recorder.control()
        wait_until(lambda: metrics(archiver)["LOG_LAG"] < 1, "a write is durable within a second again")
        archiver.kill()
        killed = time.time()
        archiver.start()
        found = values(archiver, NAMES[0], since)
        before = [sample["val"] for sample in archiver.history(NAMES[0], since, killed)]
        assert before == list(range(int(before[0]), int(before[0]) + len(before)))
        assert len(found) >= len(before)


def test_after_a_failed_sync_everything_is_written_once_more(tmp_path, environment, archiver, recorder):
    """The kernel takes pages that it could not write for clean: a second sync would succeed without them."""
    since = time.time()
    with base_ioc(tmp_path, DATABASE, environment):
        archiver.start()
        wait_until(lambda: len(values(archiver, NAMES[0], since)) > 5, "samples come in")
        recorder.control("fdatasync /archive/log/ fail")
        wait_until(lambda: metrics(archiver)["DISK"] == 0, "the archiver says that the disk refuses")
        wait_until(lambda: metrics(archiver)["LOG_LAG"] > 1, "and since when")
        log = (tmp_path / "archiver.log").read_text()
        assert "the log cannot be written, events wait in memory: [Errno 5] Input/output error" in log
        count = len(recorder.calls)
        recorder.control()
        wait_until(lambda: metrics(archiver)["DISK"] == 1, "the disk takes it again")
        new = [(call.name, call.path.name) for call in recorder.calls[count:]]
        segment = next(iter((tmp_path / "archive/log").glob("*.log"))).name
        again = new.index(("writev", segment.replace(".log", ".rewritten")))
        steps = [("fdatasync", segment.replace(".log", ".rewritten")), ("rename", segment), ("fsync", "log")]
        assert [step for step in new[again:] if step in steps][:3] == steps
        served = values(archiver, NAMES[0], since)
        archiver.kill()
        archiver.start()
        kept = values(archiver, NAMES[0], since)
        assert kept[: len(served) - 15] == served[: len(served) - 15], "nothing older than a second or so is lost"


PROGRAM = """
import sys
from pathlib import Path
import numpy as np
from archiver.log import LogLimits
from archiver.storage import Storage
from sipmdcs.clock import ManualClock
from sipmdcs.pvinfo import ArchiveMethod, ArchivePolicy
from tests.archiver.making import START_NS, link_rows, payload_rows, sample_rows

clock = ManualClock(START_NS)
storage = Storage(Path(sys.argv[1]), clock, LogLimits())
storage.start(dict.fromkeys(["T:A", "T:B"], ArchivePolicy(ArchiveMethod.MONITOR, 1.0)))
for number in range(12):
    storage.log.append(sample_rows([(1, number, float(number))]))
    storage.log.append(payload_rows([(1, number + 0.5, "text")]))
    storage.log.append(link_rows([(2, number, True)]))
    clock.advance(1)
    storage.log.write()
    storage.log.request_seal()
    storage.log.write()
    storage.maintain()
storage.log.append(sample_rows([(1, 99, 1.0)]))
storage.close()
"""


def test_every_durable_write_is_forced_with_its_folder(tmp_path, recorder):
    folder = tmp_path / "deep" / "archive"
    calls = recorder.run(PROGRAM, [folder])
    forced = {call.path for call in calls if call.name in ("fsync", "fdatasync")}

    def order(*steps: tuple[str, Path]) -> list[int]:
        places: list[int] = []
        for name, path in steps:
            start = places[-1] + 1 if places else 0
            found = [i for i in range(start, len(calls)) if (calls[i].name, calls[i].path) == (name, path)]
            assert found, f"no {name} of {path} after {places}"
            places.append(found[0])
        return places

    log = folder / "log"
    for number in range(1, 13):
        segment = log / f"{number:08d}.log"
        # Its name before its first rows, its rows before the next segment counts.
        order(("writev", segment), ("fsync", log), ("writev", segment), ("fdatasync", segment))
        following = log / f"{number + 1:08d}.log"
        created = order(("writev", following))[0]
        rows = [i for i, call in enumerate(calls) if (call.name, call.path) == ("writev", segment)]
        synced = [i for i, call in enumerate(calls) if (call.name, call.path) == ("fdatasync", segment)]
        assert max(synced) > max(rows), "what was written last is forced"
        assert created > min(synced)
    lake = [call.path for call in calls if call.name == "rename" and call.path.suffix == ".parquet"]
    assert len(lake) >= 3 * 12, "compaction and merging"
    for path in lake:
        temporary = path.with_name(path.name + ".tmp")
        order(("fdatasync", temporary), ("rename", path), ("fsync", path.parent))
        for above in (path.parent.parent, path.parent.parent.parent, folder / "lake", folder, tmp_path / "deep", tmp_path):
            assert above in forced, f"the names in {above}"
    order(
        ("fsync", folder / ".pvs.csv.part"), ("rename", folder / "pvs.csv"), ("fsync", folder), ("writev", log / "00000001.log")
    )
    assert durable(calls, folder / "pvs.csv")
    # A log segment goes only after the transaction that says that its rows are in the lake.
    assert any("catalogue.sqlite" in call.path.name for call in calls if call.name in ("fsync", "fdatasync"))
    last = calls[-40:]
    assert any(call.name == "fdatasync" and call.path.suffix == ".log" for call in last), "at the end as well"
    removed = [i for i, call in enumerate(calls) if call.name == "fsync" and call.path == log]
    assert len(removed) == 13 + 12, "one for every segment that begins and one for every segment that goes"
