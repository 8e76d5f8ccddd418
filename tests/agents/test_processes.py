"""Plugins that fork, start programs or keep memory: what they take comes back, and what they give is right."""

import psutil
import pytest

from agents.crowd import MOST_PROCESSES
from tests.agents.bench import Bench, wait_until
from tests.agents.conftest import QUIET

pytestmark = pytest.mark.timeout(180)
PLUGINS = {
    "steady": 'agent = Agent(interval=0.2, outputs=[Output("V")])\ndef work(inputs):\n    return {"V": 1}\n',
    "forks": """
import os; agent = Agent(interval=0.2, outputs=[Output("N", kind="int")]); runs = []
def work(inputs):
    runs.append(1)
    os.fork()
    return {"N": len(runs)}
""",
    "keeps": """
agent = Agent(interval=0.2, outputs=[Output("N", kind="int")]); kept = []
def work(inputs):
    kept.append(bytearray(600 << 20))
    return {"N": len(kept)}
""",
    "swarms": f"""
import os, time; agent = Agent(interval=0.2, outputs=[Output("N", kind="int")])
def work(inputs):
    for _ in range({MOST_PROCESSES + 10}):
        if os.fork() == 0: time.sleep(1000)
    time.sleep(4)  # what is left behind by a run that ends is counted then; this is about what happens during one
    return {{"N": 1}}
""",
}


@pytest.fixture(scope="module")
def host(tmp_path_factory, free_ports):
    bench = Bench(tmp_path_factory.mktemp("processes") / "site", free_ports(3), {"X": 1.0})
    bench.write("agents.yaml", QUIET + "  swarms: {enable: false}\n")
    for name, text in PLUGINS.items():
        bench.plugin(name, text)
    try:
        bench.start()
        yield bench
    finally:
        bench.stop()


def processes(host):
    return [one for one in psutil.Process(host.pid).children(recursive=True) if one.status() != psutil.STATUS_ZOMBIE]


def test_copies_that_a_plugin_forgets_to_end_neither_answer_nor_stay(host):
    wait_until(lambda: host.value("FORKS:RUNS") > 15, "runs")
    seen = wait_until(lambda: (host.value("FORKS:N"), host.value("FORKS:RUNS")), "both")
    assert seen[0] >= seen[1] - 1, "not the answer of an earlier run"
    assert len(processes(host)) < 15


def test_memory_that_is_kept_is_given_back_by_another_process(host):
    wait_until(lambda: host.value("KEEPS:RESTARTS") > 1, "memory ran out twice")
    assert "MemoryError" in host.value("KEEPS:LAST_ERROR")
    runs = host.value("KEEPS:RUNS")
    wait_until(lambda: host.value("KEEPS:RUNS") > runs, "it runs again")


def test_a_swarm_is_ended(host):
    assert host.value("STEADY:ERRORS") == 0
    host.put("SWARMS:ENABLE", 1)
    wait_until(lambda: f"more than {MOST_PROCESSES}" in host.value("SWARMS:LAST_ERROR"), "told")
    host.put("SWARMS:ENABLE", 0)
    wait_until(lambda: len(processes(host)) < 15, "all of it is gone")
    runs = host.value("STEADY:RUNS")
    wait_until(lambda: host.value("STEADY:RUNS") > runs + 5, "the others go on")
    assert host.value("STEADY:ERRORS") == 0
