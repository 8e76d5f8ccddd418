"""The service as a process, while databases, workers, disks and itself go and come back: nothing is lost."""

import os
import re
import select
import signal
import subprocess
import time
from collections import Counter
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import psutil
import pytest
from sqlalchemy import text

from analysis.chain.intake import take_in, waiting
from analysis.schema import upgrade
from sipmdcs.database import make_engine
from tests.analysis.chain.bench import SYSTEM, Bench, spectrum, wait_until
from tests.postgresql import PostgresServer


@pytest.mark.timeout(300)
def test_database_stopped_and_started_during_an_analysis_loses_nothing(
    bench: Bench, postgresql_to_stop: PostgresServer
) -> None:
    bench.configure(database=postgresql_to_stop.url)
    bench.start_service()
    for index in range(30):
        bench.deliver(f"a{index}", array=spectrum(index))
    wait_until(lambda: bench.states().get("done"), "the first rows")
    postgresql_to_stop.stop()
    begin = time.monotonic()
    for index in range(10):  # the producer does not notice
        bench.deliver(f"b{index}", array=spectrum(index))
    assert time.monotonic() - begin < 20, "no time-out of a database connection is waited for"
    bench.wait_for_pvs(lambda found: found[f"{SYSTEM}:DATABASE"] == 0, f"{SYSTEM}:DATABASE")
    bench.wait_for_pvs(lambda found: found[f"{SYSTEM}:INBOX"] == 10, f"{SYSTEM}:INBOX")
    postgresql_to_stop.start()
    bench.wait_for(done=40)
    assert bench.sql("SELECT count(DISTINCT job), count(*) FROM analysis_reco") == [(40, 240)]
    told = Counter(re.findall(r"ERROR analysis\.chain\.patience: ([a-z ]+):", bench.log))
    assert set(told.values()) == {1}, "everything that met the outage says so once"
    bench.wait_for_pvs(lambda found: found[f"{SYSTEM}:DATABASE"] == 1, f"{SYSTEM}:DATABASE")


@pytest.mark.timeout(300)
def test_a_service_killed_during_an_analysis_loses_nothing(bench: Bench) -> None:
    service = bench.start_service()
    for index in range(40):
        bench.deliver(f"a{index}", array=spectrum(index))
    wait_until(lambda: bench.states().get("done") and bench.states().get("running"), "jobs that run")
    workers = bench.workers(service)
    service.kill()
    service.wait()
    assert bench.states().get("running"), "nobody had time to clean up"
    wait_until(lambda: not any(worker.is_running() for worker in workers), "no workers without their service")
    bench.start_service()
    bench.wait_for(done=40)
    assert bench.sql("SELECT count(DISTINCT job), count(*) FROM analysis_reco") == [(40, 240)]


def kill_reader(bench: Bench, service: subprocess.Popen[bytes], fifo: Path) -> None:
    """Kill the worker that waits for what comes out of a FIFO."""

    def writer() -> int | None:
        with suppress(OSError):  # nobody reads yet
            return os.open(fifo, os.O_WRONLY | os.O_NONBLOCK)
        return None

    held = wait_until(writer, "a worker that reads the raw result", 180)
    (worker,) = bench.workers(service)
    worker.kill()
    pipe = select.poll()
    pipe.register(held, 0)
    # The threads of a process may outlive the death of its first one for a moment, and read on.
    wait_until(lambda: pipe.poll(0), "nobody reads any more")
    os.close(held)


@pytest.mark.timeout(900)
def test_a_worker_killed_and_killed_again(bench: Bench) -> None:
    good = bench.deliver("slow")
    content = good.read_bytes()
    engine = make_engine(bench.site.database_url)
    upgrade(engine)
    take_in(engine, bench.raw, waiting(bench.raw), datetime.now(UTC))
    with engine.begin() as connection:
        connection.execute(text("UPDATE analysis_job SET attempts = 1"))  # each worker costs seconds to start
    engine.dispose()
    path = bench.raw / "000001" / "slow.npz"
    path.unlink()
    os.mkfifo(path)  # whoever reads it waits until killed
    service = bench.start_service()
    for _ in range(2):
        kill_reader(bench, service, path)
    bench.wait_for(failed=1)
    ((error,),) = bench.sql("SELECT error FROM analysis_job WHERE state = 'failed'")
    assert error == "the worker died while it ran; begun 3 times, given up"
    bench.deliver("after")
    bench.wait_for(done=1, failed=1)
    bench.wait_for_pvs(lambda found: found[f"{SYSTEM}:FAILED"] == 1, f"{SYSTEM}:FAILED")
    done = bench.run("analysis", "status")
    assert "failed: job 1, spectrum of LAB:BENCH:PS1:CH01 run 1: the worker died while it ran; begun 3 times" in done.stdout
    path.unlink()
    path.write_bytes(content)
    assert bench.run("analysis", "requeue", "--failed").stdout == "1 analyses queued\n"
    bench.wait_for(done=2, failed=1)


@pytest.mark.timeout(300)
def test_poisoned_files_are_set_aside_or_fail_and_the_others_go_on(bench: Bench) -> None:
    good = bench.deliver("a")
    (good.parent / "junk.npz").write_bytes(os.urandom(10_000))
    bench.deliver("spoilt")
    bench.deliver("gone")
    bench.deliver("z")
    # Registered by another service that never ran them; then the disk lost one file and changed another.
    engine = make_engine(bench.site.database_url)
    upgrade(engine)
    take_in(engine, bench.raw, waiting(bench.raw), datetime.now(UTC))
    engine.dispose()
    spoilt, gone = bench.raw / "000001" / "spoilt.npz", bench.raw / "000001" / "gone.npz"
    spoilt.write_bytes(spoilt.read_bytes()[:-1])
    gone.unlink()
    bench.start_service()
    bench.wait_for(done=2, failed=2)
    errors = dict(
        bench.sql("SELECT path, error FROM analysis_job JOIN analysis_raw ON raw = analysis_raw.id WHERE state = 'failed'")
    )
    assert errors == {
        "000001/spoilt.npz": f"{spoilt}: the file is not the one that arrived: its SHA-256 differs",
        "000001/gone.npz": f"{gone}: cannot be read: No such file or directory",
    }
    assert sorted(path.name for path in (bench.raw / "refused").iterdir()) == ["junk.npz", "junk.npz.reason"]


@pytest.mark.timeout(300)
def test_the_end_of_a_service_gives_its_jobs_back_and_leaves_nothing_running(bench: Bench) -> None:
    service = bench.start_service()
    for index in range(60):
        bench.deliver(f"a{index}", array=spectrum(index))
    wait_until(lambda: bench.states().get("done") and bench.states().get("running"), "jobs that run")
    children = psutil.Process(service.pid).children(recursive=True)
    service.send_signal(signal.SIGTERM)
    assert service.wait(30) == 0, bench.log
    assert bench.states().keys() <= {"done", "queued"}
    assert bench.sql("SELECT max(attempts) FROM analysis_job WHERE state = 'queued'") == [(0,)]
    assert bench.sql("SELECT count(*) FROM analysis_owner") == [(0,)]
    wait_until(lambda: not any(child.is_running() for child in children), "no process left")


@pytest.mark.timeout(300)
def test_a_full_disk_stops_neither_the_service_nor_what_is_delivered(bench: Bench) -> None:
    """The folder of the run cannot be made, as on a full disk; the raw result waits in the inbox until there is room."""
    bench.raw.mkdir(parents=True)
    (bench.raw / "000001").write_text("in the way", "utf-8")
    bench.start_service()
    bench.deliver("a")
    wait_until(lambda: "000001/a.npz: cannot be made" in bench.log, "the service says so")
    assert [path.name for path in (bench.raw / "inbox").glob("*.npz")] == ["a.npz"]
    (bench.raw / "000001").unlink()
    bench.wait_for(done=1)
