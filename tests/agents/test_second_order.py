"""Agents that read what other agents made, and the hot cache of plant PVs."""

import pytest

from tests.agents.bench import wait_until

pytestmark = pytest.mark.timeout(180)
FIRST = """
agent = Agent(interval=0.2, inputs={"x": "T:BENCH:PS1:X"}, outputs=[Output("V")])
def work(inputs):
    return {"V": 10 * inputs["x"].only.value}
"""
BY_PV = """
agent = Agent(interval=0.2, inputs={"v": "T:AGENT:FIRST:*"}, outputs=[Output("V")])
def work(inputs):
    return {"V": 1 + inputs["v"]["T:AGENT:FIRST:V"].value}
"""
BY_KEY = """
agent = Agent(interval=0.2, inputs={"v": Cached(["$(DET):AGENT:FIRST:V", "FOREIGN"])}, outputs=[Output("V"), Output("F")])
def work(inputs):
    return {"V": 2 + inputs["v"]["T:AGENT:FIRST:V"].value, "F": inputs["v"]["FOREIGN"].value}
"""
SETTINGS = (
    'agents: {gaindrift: {enable: false}, hotcache: {interval: 0.5, parameters: {pvs: ["*:PS1:X", "T:BENCH:PS1:GONE"]}}}\n'
)


def test_second_order_and_hot_cache(make_bench):
    bench = make_bench()
    bench.plugin("first", FIRST)
    bench.plugin("bypv", BY_PV)
    bench.plugin("bykey", BY_KEY)
    bench.write("agents.yaml", SETTINGS)
    bench.start()
    bench.until("FIRST:V", 15.0)
    bench.until("BYPV:V", 16.0)
    bench.until("BYKEY:V", 17.0)
    assert bench.read("BYKEY:F")["severity"] == 3
    entry = {"value": 4.5, "time": 0, "severity": "NO_ALARM", "status": "NO_ALARM"}
    bench.memcached.store("FOREIGN", entry)
    wait_until(lambda: bench.value("BYKEY:F") == 4.5 and bench.read("BYKEY:F")["severity"] == 0, "what another program wrote")

    entry = wait_until(lambda: bench.memcached.entry("T:BENCH:PS1:X"), "the PV in the cache")
    assert (entry["value"], entry["unit"], entry["severity"], entry["source"]) == (1.5, "V", "NO_ALARM", "hotcache")
    assert bench.memcached.entry("T:BENCH:PS1:GONE") is None
    bench.put("T:BENCH:PS1:X", 2.5)
    wait_until(lambda: (bench.memcached.entry("T:BENCH:PS1:X") or {}).get("value") == 2.5, "the new value")
    bench.until("BYKEY:V", 27.0)

    bench.end("plant")
    wait_until(lambda: bench.memcached.entry("T:BENCH:PS1:X") is None, "what is not connected vanishes")
    wait_until(lambda: bench.read("FIRST:V")["severity"] == 3, "outputs of what has no input")
    wait_until(lambda: bench.read("BYPV:V")["severity"] == 3, "and of what reads those")
    wait_until(lambda: bench.read("BYKEY:V")["severity"] == 3, "and of what reads the cache")
    bench.start_plant()
    bench.until("BYKEY:V", 17.0)
    wait_until(lambda: bench.read("BYKEY:V")["severity"] == 0, "all is well again")
