"""The agent service as its users meet it: Channel Access and memcached."""

import json
import time
from typing import Any

import pytest

from tests.agents.bench import PATIENCE_S, wait_until
from tests.agents.conftest import BAD

pytestmark = pytest.mark.timeout(180)
MINOR, INVALID = 1, 3


def test_outputs_are_pvs_with_units_and_limits(bench):
    wait_until(lambda: bench.value("GOOD:SUM") == 3.5, "the sum")
    assert bench.read("GOOD:SUM")["severity"] == 0
    assert bench.value("T:AGENT:GOOD:SUM.EGU") == "V"
    assert bench.value("T:AGENT:GOOD:SUM.HIGH") == 100
    assert bench.value("GOOD:N") == 2
    assert bench.value("GOOD:LABEL") == "x" * 39
    bench.put("T:BENCH:PS1:X", 150.0)
    wait_until(lambda: bench.read("GOOD:SUM")["severity"] == MINOR, "the sum beyond its limit")
    wait_until(lambda: (bench.memcached.entry("T:AGENT:GOOD:SUM") or {}).get("severity") == "MINOR", "the same in the cache")
    bench.put("T:BENCH:PS1:X", 1.5)
    wait_until(lambda: bench.read("GOOD:SUM")["severity"] == 0, "the sum within")


def test_an_entry_says_value_time_severity_and_time_to_live(bench):
    good = "T:AGENT:GOOD:SUM"
    wait_until(lambda: (bench.memcached.entry(good) or {}).get("severity") == "NO_ALARM", "the entry without alarm")
    entry = bench.memcached.entry(good)
    assert entry is not None
    assert set(entry) == {"value", "time", "severity", "status", "unit", "ttl", "source", "seq"}
    assert (entry["value"], entry["severity"], entry["status"], entry["unit"]) == (3.5, "NO_ALARM", "NO_ALARM", "V")
    assert (entry["ttl"], entry["source"]) == (1, "good")
    assert abs(entry["time"] - time.time()) < PATIENCE_S
    assert bench.memcached.entry("sipmdcs/T/agents")["agents"] == len(json.loads(bench.run("agents", "list", "--json").stdout))


def test_inputs_that_are_invalid_make_outputs_invalid(bench):
    bench.put("T:BENCH:PS1:X", 2000.0)
    bench.until("GOOD:STATE", 3)
    assert bench.read("GOOD:SUM")["severity"] == INVALID
    assert bench.value("GOOD:LAST_ERROR") == "T:BENCH:PS1:X is INVALID"
    bench.put("T:BENCH:PS1:X", 1.5)
    bench.until("GOOD:STATE", 1)
    wait_until(lambda: bench.read("GOOD:SUM")["severity"] == 0, "valid again")


def test_figures_of_the_host(bench):
    wait_until(lambda: bench.value("T:SYS:AGENTS:RUNNING") == 1, "running")
    assert bench.value("T:SYS:AGENTS:AGENTS") == len(BAD) + 4
    wait_until(lambda: bench.value("T:SYS:AGENTS:FAILED") >= 6, "those that fail")
    wait_until(lambda: bench.value("T:SYS:AGENTS:THREADS") >= 3, "processes")
    assert bench.value("T:SYS:AGENTS:CACHE") == 1
    bench.put("T:SYS:AGENTS:TICK", 0.02)
    bench.until("T:SYS:AGENTS:TICK", 0.02)
    bench.put("T:SYS:AGENTS:TICK", 50)
    bench.until("T:SYS:AGENTS:TICK", 1.0)
    bench.put("T:SYS:AGENTS:TICK", 0.05)


def test_run_now(bench):
    bench.until("GOOD:STATE", 1)
    bench.put("GOOD:INTERVAL", 3600)
    bench.until("GOOD:INTERVAL", 3600.0)
    wait_until(lambda: bench.value("GOOD:OFFSET") == 0, "offset")
    runs = wait_until(lambda: _settled(bench, "GOOD:RUNS"), "no run goes on")
    bench.put("GOOD:RUN", 1)
    bench.until("GOOD:RUNS", runs + 1)
    bench.until("GOOD:RUN", 0)
    bench.put("GOOD:INTERVAL", 0.2)
    wait_until(lambda: bench.value("GOOD:RUNS") > runs + 2, "runs by themselves")


def _settled(bench, name) -> Any:
    before = bench.value(name)
    time.sleep(1)  # longer than any run takes, and no condition to wait for: nothing must happen
    return before if bench.value(name) == before else None


def test_interval_and_offset_have_limits(bench):
    bench.put("GOOD:INTERVAL", 0.001)
    bench.until("GOOD:INTERVAL", 0.1)
    bench.put("GOOD:INTERVAL", 0.2)
    bench.put("GOOD:OFFSET", 5.0)
    wait_until(lambda: bench.value("GOOD:OFFSET") == 0, "an offset longer than the interval is refused")


def test_disabled_and_enabled(bench):
    bench.put("GOOD:ENABLE", 0)
    bench.until("GOOD:STATE", 6)
    assert bench.read("GOOD:SUM")["severity"] == INVALID
    assert not [one for one in bench.workers() if "good" in " ".join(one.cmdline())]
    bench.put("GOOD:ENABLE", 1)
    bench.until("GOOD:STATE", 1)
    wait_until(lambda: bench.read("GOOD:SUM")["severity"] == 0, "valid again")


def test_memcached_stopped_and_started(bench):
    wait_until(lambda: bench.memcached.entry("T:AGENT:GOOD:SUM"), "the entry")
    bench.memcached.stop()
    bench.until("T:SYS:AGENTS:CACHE", 2)
    runs = bench.value("GOOD:RUNS")
    wait_until(lambda: bench.value("GOOD:RUNS") > runs + 5, "agents go on without it")
    assert bench.read("GOOD:SUM")["severity"] == 0
    bench.memcached.start()
    wait_until(lambda: bench.memcached.entry("T:AGENT:GOOD:SUM"), "the cache is full again")
    bench.until("T:SYS:AGENTS:CACHE", 1)


def test_memcached_that_hangs_holds_nobody_up(bench):
    wait_until(lambda: bench.memcached.entry("T:AGENT:GOOD:SUM"), "the entry")
    bench.memcached.freeze()
    try:
        bench.until("T:SYS:AGENTS:CACHE", 2)
        start, runs = time.monotonic(), bench.value("GOOD:RUNS")
        wait_until(lambda: bench.value("GOOD:RUNS") >= runs + 10, "agents go on")
        assert time.monotonic() - start < 20
    finally:
        bench.memcached.thaw()
    bench.until("T:SYS:AGENTS:CACHE", 1)
