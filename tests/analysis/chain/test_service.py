"""The service as a process, with real Dask workers, real Channel Access and databases that go and come back."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from analysis.outcome import Kind
from tests.analysis.chain.bench import CHANNEL, SYSTEM, Bench, spectrum, wait_until
from tests.postgresql import PostgresServer

PVS = [f"{CHANNEL}:{name}" for name in ("GAIN", "CROSSTALK", "DARK_RATE", "VBR")]


@pytest.fixture
def databases(bench: Bench, database_url: str) -> str:
    """The site on SQLite, then on PostgreSQL."""
    bench.configure(database=database_url)
    return database_url


def dark_counts() -> object:
    return np.random.default_rng(1).poisson(0.3, 5000)


@pytest.mark.timeout(300)
def test_from_raw_results_to_rows_sums_and_pvs(bench: Bench, databases: str) -> None:
    bench.start_service()
    bench.deliver("s1")
    bench.deliver("i1", Kind.IV)
    bench.deliver("d1", Kind.DARK, dark_counts())
    bench.deliver("flat", array=np.zeros(10_000), channel="LAB:BENCH:PS1:CH02")
    bench.wait_for(done=4)
    rows = {
        (row[0], row[1]): row[2:]
        for row in bench.sql(f"SELECT quantity, method, value, reason, code FROM analysis_reco WHERE channel = '{CHANNEL}'")
    }
    assert rows["gain", "generalised-poisson"][0] == pytest.approx(60e4, rel=0.01)
    assert rows["vbr", "ild"][0] == pytest.approx(52.5, abs=0.1)
    assert rows["dark_rate", "mean"][0] == pytest.approx(3e5, rel=0.05)
    assert {"ild", "log-derivative", "sqrt", "tangent"} == {method for quantity, method in rows if quantity == "vbr"}
    assert all(row[2].startswith("0.") and " fit-" in row[2] for row in rows.values())
    bad = bench.sql("SELECT value, reason FROM analysis_reco WHERE channel LIKE '%CH02'")
    assert bad
    assert all(value is None and reason for value, reason in bad)
    (mean,) = bench.sql("SELECT channels, failed, mean FROM analysis_macro WHERE quantity = 'gain'")
    assert mean == (1, 1, pytest.approx(60e4, rel=0.01))
    # The IOC comes only now: the values have waited for it, those of CH02 do not exist.
    bench.wait_for_pvs(lambda found: list(found.values()) == [4, 1], f"{SYSTEM}:DONE", f"{SYSTEM}:DATABASE")
    bench.start_ioc()
    values = bench.wait_for_pvs(lambda found: found[PVS[0]] != 1 and found[PVS[3]] != 50, *PVS)
    assert values == {
        f"{CHANNEL}:GAIN": pytest.approx(60e4, rel=0.01),
        f"{CHANNEL}:CROSSTALK": pytest.approx(100 * (1 - np.exp(-0.15)), abs=2),
        f"{CHANNEL}:DARK_RATE": pytest.approx(300, rel=0.05),
        f"{CHANNEL}:VBR": pytest.approx(52.5 + 0.054 * 5, abs=0.1),  # taken at 20, shown at 25 degC
    }
    bench.wait_for_pvs(lambda found: found[f"{SYSTEM}:UNPUBLISHED"] == 0, f"{SYSTEM}:UNPUBLISHED")
    assert bench.sql("SELECT count(*) FROM analysis_output WHERE put_at IS NULL") == [(0,)]
    status = json.loads(bench.run("analysis", "status", "--json").stdout)
    assert (status["done"], status["failed"], status["inbox"], status["unpublished"]) == (4, 0, 0, 0)


@pytest.mark.timeout(300)
def test_two_services_share_the_queue_and_take_each_job_once(bench: Bench, postgresql_to_stop: PostgresServer) -> None:
    bench.configure(database=postgresql_to_stop.url)
    services = [bench.start_service(), bench.start_service()]
    for index in range(48):
        bench.deliver(f"a{index}", array=spectrum(index))
    bench.wait_for(done=48)
    assert bench.sql("SELECT count(*), count(DISTINCT job) FROM analysis_reco WHERE quantity = 'gain'") == [(48, 48)]
    assert bench.sql("SELECT max(attempts) FROM analysis_job") == [(1,)]
    assert bench.sql("SELECT channels FROM analysis_macro WHERE quantity = 'gain'") == [(1,)]
    shares = bench.sql("SELECT owner, count(*) FROM analysis_job GROUP BY owner")
    assert len(shares) == len(services), shares


@pytest.mark.timeout(300)
def test_a_cluster_by_its_address_needs_no_files_of_ours(bench: Bench, free_ports: Callable[[int], list[int]]) -> None:
    (port,) = free_ports(1)
    address = f"tcp://127.0.0.1:{port}"
    bench.configure(analysis=address)
    bench.start_service()
    bench.deliver("early")
    wait_until(lambda: "Dask scheduler tcp://127.0.0.1" in bench.log, "the service says that there is no cluster")
    assert bench.states() == {"queued": 1}
    dask = [sys.executable, "-m", "distributed.cli.dask_scheduler"]
    bench.start(*dask, "--host", "127.0.0.1", "--port", str(port), "--dashboard-address", "127.0.0.1:0")
    worker = [sys.executable, "-m", "distributed.cli.dask_worker", address, "--nthreads", "1", "--no-dashboard"]
    bench.start(*worker, "--host", "127.0.0.1", "--local-directory", str(bench.folder / "elsewhere"))
    bench.wait_for(done=1)
    for index in range(4):
        bench.deliver(f"a{index}", array=spectrum(index))
    bench.wait_for(done=5)
    bench.wait_for_pvs(lambda found: found[f"{SYSTEM}:WORKERS"] == 1, f"{SYSTEM}:WORKERS")


@pytest.mark.timeout(300)
def test_the_service_is_ready_at_once_and_starts_no_worker_without_work(bench: Bench) -> None:
    service = bench.start_service()
    wait_until(lambda: bench.sql("SELECT name FROM sqlite_master WHERE name = 'analysis_owner'"), "tables")
    assert bench.workers(service) == []
    bench.wait_for_pvs(lambda found: list(found.values()) == [0, 0], f"{SYSTEM}:WORKERS", f"{SYSTEM}:QUEUED")


@pytest.mark.timeout(300)
def test_commands_say_what_is_wrong_in_one_line(bench: Bench, tmp_path: Path) -> None:
    good, words, wide = tmp_path / "good.txt", tmp_path / "words.txt", tmp_path / "wide.csv"
    good.write_text("# charges\n" + "\n".join(str(value) for value in spectrum(1, 100)), "utf-8")
    words.write_text("1.0\nabc\n", "utf-8")
    wide.write_text("50,1e-9\n51,2e-9,3\n", "utf-8")
    submit = ["analysis", "submit"]
    to = ["--channel", CHANNEL, "--run", "7"]
    for file, kind, channel, expected in (
        (words, "spectrum", to, f"{words}:2: 'abc' is no number; expected a finite one"),
        (wide, "iv", to, f"{wide}:2: 3 columns, expected 2 as in line 1"),
        (
            good,
            "spectrum",
            ["--channel", "X:Y"],
            "channel: X:Y is no channel of this site, expected such as LAB:BENCH:PS1:CH01",
        ),
    ):
        done = bench.run(*submit, str(file), "--kind", kind, *channel)
        assert (done.returncode, done.stderr) == (1, f"Error: {expected}\n")
    assert bench.run(*submit, str(good), "--kind", "spectrum", *to, "--condition", "T").returncode == 2
    assert bench.run("analysis", "requeue").returncode == 2
    first = bench.run(*submit, str(good), "--kind", "spectrum", *to, "--condition", "temperature_C=20")
    again = bench.run(*submit, str(good), "--kind", "spectrum", *to, "--condition", "temperature_C=20")
    assert (first.returncode, first.stdout) == (0, again.stdout)
    assert len(list((bench.raw / "inbox").glob("*.npz"))) == 1
    (bench.folder / "analysis.yaml").write_text("publish: [gain, colour]\n", "utf-8")
    done = bench.run("analysis")
    assert done.returncode == 1
    assert done.stderr.startswith(f"Error: {bench.folder / 'analysis.yaml'}:1: publish.1: ")
