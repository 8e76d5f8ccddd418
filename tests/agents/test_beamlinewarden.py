"""The eleven defects of BeamlineWarden, which this replaces: each must not come back."""

import json
import time
from importlib.resources import files
from itertools import pairwise
from pathlib import Path

import pytest
from pymemcache.client.base import PooledClient

from agents.cache import HotCache
from agents.loading import load_plugin
from agents.plugin import Context
from agents.reading import Reading, Readings
from agents.running import run_plugin
from agents.schedule import Schedule
from sipmdcs.clock import SystemClock
from tests.agents.bench import wait_until

pytestmark = pytest.mark.timeout(180)
INVALID = 3


def play(schedule, looks, busy_until=0.0, work_s=0.0):
    """Start times of runs when looking at these times, each run taking ``work_s``."""
    begun = []
    for now in looks:
        schedule, go = schedule.tick(now, free=now >= busy_until)
        if go:
            begun.append(now)
            busy_until = now + work_s
    return begun, schedule


def test_a_a_plugin_starts_once_per_slot(bench):
    begun, _ = play(Schedule(0.0, 0.0, 1.0), [tick / 20 for tick in range(200)])
    assert begun == [float(n) for n in range(10)]
    # and in the real host: two PVs that count with the same slots never differ
    bench.until("GOOD:STATE", 1)
    runs, start = bench.value("GOOD:RUNS"), time.monotonic()
    wait_until(lambda: bench.value("GOOD:RUNS") > runs + 10, "ten runs")
    assert bench.value("GOOD:RUNS") - runs <= (time.monotonic() - start) / 0.2 + 2


def test_b_phases_do_not_jump_after_many_ticks():
    schedule = Schedule(0.0, 1.0, 7.0)
    for n in range(30_000):
        assert schedule.due() == 1.0 + 7.0 * n
        schedule, go = schedule.tick(schedule.due(), free=True)
        assert go


@pytest.mark.parametrize("interval", [0.1, 0.25, 0.9, 1.5])
def test_c_intervals_are_seconds_and_may_be_less_than_one(interval):
    begun, _ = play(Schedule(0.0, 0.0, interval), [tick / 100 for tick in range(301)])
    assert len(begun) == int(3 / interval + 1e-9) + 1


def test_d_work_time_does_not_make_slots_drift():
    begun, schedule = play(Schedule(0.0, 0.0, 1.0), [tick / 20 for tick in range(20 * 60)], work_s=0.6)
    assert begun == [float(n) for n in range(60)]
    assert schedule.missed == 0
    begun, schedule = play(Schedule(0.0, 0.0, 1.0), [tick / 20 for tick in range(20 * 60)], work_s=1.3)
    assert begun == [float(n) for n in range(0, 60, 2)]
    assert schedule.missed == 30


def test_e_a_hung_plugin_is_told_and_started_again(bench):
    bench.put("HANG:ENABLE", 0)
    bench.put("HANG:ENABLE", 1)
    wait_until(lambda: bench.value("HANG:STATE") == 5, "HUNG")
    assert "hung" in bench.value("HANG:LAST_ERROR")
    restarts = bench.value("HANG:RESTARTS")
    wait_until(lambda: bench.value("HANG:RESTARTS") > restarts, "started again without anybody")


def test_f_runs_of_one_agent_never_overlap_and_no_lock_file_is_needed(make_bench):
    bench = make_bench()
    log = bench.folder / "runs.txt"
    bench.plugin(
        "slow",
        f"import time\nagent = Agent(interval=0.1)\ndef work(inputs):\n    began = time.monotonic()\n    time.sleep(0.25)\n"
        f"    with open({str(log)!r}, 'a') as file: file.write(f'{{began}} {{time.monotonic()}}\\n')\n    return {{}}\n",
    )
    bench.start()
    wait_until(lambda: bench.value("SLOW:RUNS") >= 4, "runs")
    bench.put("SLOW:RUN", 1)  # asked for in the middle of one
    wait_until(lambda: bench.value("SLOW:RUNS") >= 8, "more runs")
    spans = [tuple(map(float, line.split())) for line in log.read_text().splitlines()]
    assert all(end <= begin for (_, end), (begin, _) in pairwise(spans))
    assert bench.value("SLOW:OVERRUNS") >= 8
    assert not list(bench.folder.rglob("*.lock"))


def test_g_stop_stops_and_start_starts_any_number_of_times(bench):
    for _ in range(2):
        bench.put("T:SYS:AGENTS:STOP", 1)
        bench.until("GOOD:STATE", 7)
        bench.until("T:SYS:AGENTS:THREADS", 0)
        assert bench.read("GOOD:SUM")["severity"] == INVALID
        assert bench.value("T:SYS:AGENTS:RUNNING") == 0
        bench.put("T:SYS:AGENTS:STOP", 1)
        bench.put("T:SYS:AGENTS:START", 1)
        bench.put("T:SYS:AGENTS:START", 1)
        bench.until("GOOD:STATE", 1)
        wait_until(lambda: bench.read("GOOD:SUM")["severity"] == 0, "valid again")


def test_h_keys_of_a_dead_agent_vanish(make_bench):
    bench = make_bench()
    bench.plugin("mortal", 'agent = Agent(interval=0.2, outputs=[Output("V")])\ndef work(inputs):\n    return {"V": 1}\n')
    bench.start()
    wait_until(lambda: bench.memcached.entry("T:AGENT:MORTAL:V"), "the entry")
    bench.put("MORTAL:ENABLE", 0)
    wait_until(lambda: bench.read("MORTAL:V")["severity"] == INVALID, "INVALID")
    wait_until(lambda: bench.memcached.entry("T:AGENT:MORTAL:V") is None, "gone with the agent")
    bench.put("MORTAL:ENABLE", 1)
    wait_until(lambda: bench.memcached.entry("T:AGENT:MORTAL:V"), "the entry")
    bench.end("agents", 9)
    for key in ("T:AGENT:MORTAL:V", "sipmdcs/T/agents"):
        wait_until(lambda key=key: bench.memcached.entry(key) is None, f"{key} gone with the host")


async def test_i_one_pool_of_connections_serves_all_writes(memcached, monkeypatch):
    made = []
    original = PooledClient.__init__
    monkeypatch.setattr(PooledClient, "__init__", lambda self, *a, **k: (made.append(1), original(self, *a, **k))[1])
    cache = HotCache("127.0.0.1", memcached.port, SystemClock())
    for n in range(50):
        cache.put({f"K{n}": b"1"}, 60)
        await cache._write()
    assert cache.writes == 50
    assert len(made) == 1
    client = PooledClient(("127.0.0.1", memcached.port))
    stats = client.stats()
    client.close()
    cache._client.close()
    assert int(stats[b"total_connections"]) <= 5  # the fixture's, this one's, memcached's own and one of the cache


@pytest.mark.parametrize(("age", "severity", "silent"), [(1.0, 0, 0), (100.0, 0, 1), (1.0, 3, 1)])
def test_j_the_alarm_is_raised_when_there_is_an_error_and_only_then(age, severity, silent):
    path = Path(str(files("agents.shipped"))) / "heartbeats.py"
    plugin = load_plugin(path.read_text("utf-8"), str(path), Context("T", (), {}))
    good, other = Reading(5, 0, "NO_ALARM", 0.0, 0.5), Reading(5, severity, "", 0.0, age)
    beats = Readings({"T:SYS:A:HEARTBEAT": good, "T:SYS:B:HEARTBEAT": other})
    values = run_plugin(plugin, {"beats": beats}, 0.0)
    assert values["N_SILENT"] == silent
    assert values["WHO"] == ("B" if silent else "")
    limit = next(output for output in plugin.declaration.outputs if output.name == "N_SILENT")
    assert limit.high == 1  # MINOR from the first on


def test_k_state_error_latency_and_counts_of_every_agent(bench):
    names = [row["name"].upper() for row in json.loads(bench.run("agents", "list", "--json").stdout)]
    assert {"GOOD", "HANG", "SUMMARY"} <= set(names)
    for name in names:
        assert bench.value(f"{name}:STATE") in range(8)
        for suffix in ("RUNS", "ERRORS", "OVERRUNS", "AGE"):
            assert bench.value(f"{name}:{suffix}") >= 0
    wait_until(lambda: bench.value("GOOD:LATENCY") > 0, "latency")
    assert bench.value("RAISES:LAST_ERROR")
    assert bench.value("GOOD:VERSION")
