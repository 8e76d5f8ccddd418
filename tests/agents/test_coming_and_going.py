"""Agents that come, change and go while others run: each concerns its own process only."""

import pytest

from tests.agents.bench import Bench, wait_until
from tests.agents.conftest import EDITED, QUIET

pytestmark = pytest.mark.timeout(180)
STATE_KEPT = """
agent = Agent(interval=0.2, outputs=[Output("N", kind="int"), Output("PID", kind="int")]); runs = []
def work(inputs):
    import os
    runs.append(1)
    return {"N": len(runs), "PID": os.getpid()}
"""
BY_PATTERN = """
agent = Agent(interval=0.2, inputs={"v": "T:AGENT:*:V"}, require="none",
              outputs=[Output("SUM"), Output("N", kind="int"), Output("PID", kind="int")])
def work(inputs):
    import os
    return {"SUM": sum(inputs["v"].numbers.values()), "N": len(inputs["v"]), "PID": os.getpid()}
"""
TWO_OUTPUTS = EDITED.replace('[Output("V", unit="V")]', '[Output("V", unit="V"), Output("W")]').replace("}", ', "W": 5}')


@pytest.fixture(scope="module")
def host(tmp_path_factory, free_ports):
    bench = Bench(tmp_path_factory.mktemp("coming") / "site", free_ports(3), {"X": 1.0})
    bench.write("agents.yaml", QUIET)
    bench.plugin("kept", STATE_KEPT)
    bench.plugin("reads", BY_PATTERN)
    try:
        bench.start()
        yield bench
    finally:
        bench.stop()


def look(host):
    """What must be the same of agents that nobody touched, and what must have gone on."""
    for name in ("KEPT", "READS"):
        host.until(f"{name}:STATE", 1)
    same = [host.value(pv) for pv in ("KEPT:PID", "READS:PID", "KEPT:RESTARTS", "READS:RESTARTS", "KEPT:ERRORS")]
    return same, host.value("KEPT:N"), host.value("KEPT:RUNS"), host.value("KEPT:OVERRUNS")


def assert_untouched(host, before):
    """Same processes with the same state, no run left out."""
    same, n, runs, overruns = before
    now_same, now_n, now_runs, now_overruns = look(host)
    assert now_same == same
    assert now_n > n
    assert abs((now_n - n) - (now_runs - runs)) <= 2, "the two are read one after the other"
    skipped = now_overruns - overruns
    assert skipped <= max(1, (now_runs - runs) // 10), f"{skipped} of {now_runs - runs} slots skipped"


def test_an_agent_that_comes_changes_and_goes_leaves_the_others_alone(host):
    host.until("READS:N", 0)
    before = look(host)
    ready = host.log().count("agents is ready")
    host.plugin("added", EDITED)
    host.until("ADDED:V", 1.0)
    assert host.value("T:SYS:AGENTS:AGENTS") == 7
    assert host.value("T:AGENT:ADDED:V.EGU") == "V"
    host.until("READS:SUM", 1.0)  # its pattern matches a PV that was not there
    assert_untouched(host, before)

    host.plugin("added", TWO_OUTPUTS)
    host.until("ADDED:W", 5.0)
    host.until("ADDED:V", 1.0)
    assert_untouched(host, before)

    host.plugin("added", "agent = Agent(interval=1)\n")
    wait_until(lambda: "has no function" in host.value("ADDED:LAST_ERROR"), "told")
    host.plugin("second", "no plugin\n")
    wait_until(lambda: host.value("SECOND:STATE") == 4, "an agent that cannot be loaded is there and says so")
    host.plugin("second", EDITED.replace('"V": 1', '"V": 7'))
    host.until("SECOND:V", 7.0)
    host.until("READS:SUM", 8.0)
    assert_untouched(host, before)

    for name in ("added", "second"):
        (host.folder / "agents" / f"{name}.py").unlink()
    host.until("READS:N", 0)
    wait_until(lambda: host.value("T:SYS:AGENTS:AGENTS") == 6, "they are gone")
    wait_until(lambda: len(host.workers()) == host.value("T:SYS:AGENTS:THREADS"), "and their processes")
    assert host.run("agents", "list").stdout.count("added") == 0
    assert_untouched(host, before)
    assert host.log().count("agents is ready") == ready, "the service did not begin anew"


def test_what_clients_write_reaches_an_agent_whose_records_have_changed(host):
    host.plugin("written", EDITED)
    host.until("WRITTEN:V", 1.0)
    host.put("WRITTEN:INTERVAL", 0.4)
    host.plugin("written", TWO_OUTPUTS)
    host.until("WRITTEN:W", 5.0)
    assert host.value("WRITTEN:INTERVAL") == 0.4
    host.put("WRITTEN:ENABLE", 0)
    host.until("WRITTEN:STATE", 6)
    assert host.read("WRITTEN:W")["severity"] == 3
    host.put("WRITTEN:ENABLE", 1)
    host.until("WRITTEN:W", 5.0)
    (host.folder / "agents" / "written.py").unlink()
    wait_until(lambda: host.value("T:SYS:AGENTS:AGENTS") == 6, "gone")
