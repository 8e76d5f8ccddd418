"""``sipmdcs memcached``: the real server, watched."""

import signal
import subprocess
import sys

import psutil
import pytest

from agents.memcached_figures import Figures
from tests.agents.bench import Memcached, wait_until

pytestmark = pytest.mark.timeout(180)


@pytest.fixture
def site(make_bench):
    bench = make_bench()
    bench._start("memcached", "memcached", "--memory", "2")
    wait_until((bench.folder / "var" / "run" / "memcached.ready").is_file, "memcached is ready")
    return bench


def server(bench):
    children = psutil.Process(bench._processes["memcached"].pid).children()
    return next(child for child in children if child.name() == "memcached")


def test_figures(site):
    site.memcached.store("A", {"value": 1})
    assert site.memcached.entry("A") == {"value": 1}
    assert site.memcached.entry("B") is None
    site.until("T:SYS:MEMCACHED:ITEMS", 1)
    wait_until(lambda: site.value("T:SYS:MEMCACHED:HIT_RATE") == 50.0, "the hit rate")
    assert site.value("T:SYS:MEMCACHED:LIMIT") == 2048
    assert site.value("T:SYS:MEMCACHED:BYTES") > 0
    assert site.value("T:SYS:MEMCACHED:CONNECTIONS") >= 1
    assert site.value("T:SYS:MEMCACHED:EVICTIONS") == 0
    client = site.memcached._client()
    for n in range(40):
        client.set(f"K{n}", b"x" * 500_000, noreply=False)
    client.close()
    wait_until(lambda: site.value("T:SYS:MEMCACHED:EVICTIONS") > 0, "evictions")
    wait_until(lambda: site.read("T:SYS:MEMCACHED:EVICTION_RATE")["severity"] == 1, "an alarm for them")


def test_it_ends_with_the_service_even_if_that_is_killed(site):
    child = server(site)
    site.end("memcached", signal.SIGKILL)
    wait_until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE, "memcached is gone")


def test_the_service_ends_with_it_and_says_so(site):
    server(site).kill()
    process = site._processes["memcached"]
    assert process.wait(timeout=30) == 1
    assert "memcached ended with status -9" in (site.folder / "memcached.log").read_text()


def test_sigterm_ends_both(site):
    child = server(site)
    process = site._processes["memcached"]
    process.terminate()
    assert process.wait(timeout=30) == 0
    assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE


def test_no_program(make_bench, monkeypatch):
    from agents import memcached_service
    from sipmdcs.errors import ServiceError

    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(memcached_service, "_PLACES", ())
    with pytest.raises(ServiceError, match="memcached is not installed; on Debian: apt install memcached"):
        memcached_service.find_program()


def test_port_in_use(make_bench):
    bench = make_bench()
    other = Memcached(bench.site.file.memcached.port)
    other.start()
    try:
        command = [sys.executable, "-m", "sipmdcs", "memcached"]
        done = subprocess.run(command, capture_output=True, text=True, env=bench.environment, check=False, timeout=60)
        assert done.returncode == 1
        assert done.stderr.splitlines()[-1] == "Error: memcached ended with status 71"
    finally:
        other.stop()


def test_rates_are_those_of_a_minute():
    figures = Figures()

    def stats(gets, hits, evictions):
        names = ("cmd_get", "get_hits", "cmd_set", "evictions", "curr_items", "bytes", "limit_maxbytes", "curr_connections")
        return {
            name.encode(): str(n).encode()
            for name, n in zip(names, (gets, hits, gets, evictions, 1, 2048, 4096, 1), strict=True)
        }

    first = figures.take(stats(100, 10, 5), 0.0)
    assert "HIT_RATE" not in first
    second = figures.take(stats(200, 90, 5), 50.0)
    assert (second["HIT_RATE"], second["READ_RATE"], second["EVICTION_RATE"], second["BYTES"]) == (80.0, 2.0, 0, 2.0)
    third = figures.take(stats(210, 100, 8), 100.0)
    assert (third["HIT_RATE"], third["EVICTION_RATE"], third["EVICTIONS"]) == (100.0, 3, 8)
