"""A plugin that hangs while it is loaded costs its time once, and only the host."""

import time

import pytest

from agents import declaring
from agents.discovery import find_plugins
from agents.hanging import HangingMemory, memory_path
from agents.records import agent_records
from agents.roster import muster
from tests.agents.bench import wait_until

pytestmark = pytest.mark.timeout(180)
STUCK = "import pathlib, time\nwhile not pathlib.Path(__file__).with_suffix('.go').exists(): time.sleep(0.05)\n"
AGENT = "agent = Agent(interval=1, outputs=[Output('V')])\ndef work(inputs):\n    return {'V': 1}\n"


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(declaring, "LOAD_TIMEOUT_S", 3.0)


def test_it_is_waited_for_once(make_bench, impatient):
    bench = make_bench()
    path = bench.plugin("stuck", STUCK + AGENT)
    first = muster(bench.site).members["stuck"].problem
    assert str(first) == f"{path}: hangs while it is loaded, given up after 3 s"
    path.with_suffix(".go").touch()  # so that asking would find out
    assert str(muster(bench.site).members["stuck"].problem) == str(first)
    assert "T:AGENT:STUCK:V" not in {record.name for record in agent_records(bench.site)}
    assert muster(bench.site, again=True).members["stuck"].problem is None
    assert "T:AGENT:STUCK:V" in {record.name for record in agent_records(bench.site)}


def test_another_text_is_asked(make_bench, impatient):
    bench = make_bench()
    path = bench.plugin("stuck", STUCK + AGENT)
    assert muster(bench.site).members["stuck"].problem is not None
    path.write_text("from agents import Agent, Output\n" + AGENT)
    assert muster(bench.site).members["stuck"].problem is None


@pytest.mark.parametrize("text", ["", "[1]", "{", "\0"])
def test_a_file_that_makes_no_sense_is_no_memory(make_bench, text):
    bench = make_bench()
    bench.plugin("good", AGENT)
    path = memory_path(bench.site)
    path.parent.mkdir()
    path.write_text(text)
    good = find_plugins(bench.site)["good"]
    memory = HangingMemory(path)
    assert not memory.hung(good)
    memory.update({"good": good.version})
    assert HangingMemory(path).hung(good)


def test_what_it_has_started_ends_with_it(make_bench, impatient):
    bench = make_bench()
    bench.plugin("nests", f"import subprocess\nsubprocess.Popen(['sleep', '1000'])\n{AGENT}")
    start = time.monotonic()
    assert muster(bench.site).members["nests"].problem is None
    assert time.monotonic() - start < 60


def test_the_host_runs_the_others_and_tries_again_by_itself(make_bench):
    bench = make_bench()
    path = bench.plugin("stuck", STUCK + AGENT)
    bench.plugin("good", AGENT)
    HangingMemory(memory_path(bench.site)).update({"stuck": find_plugins(bench.site)["stuck"].version})
    bench.start()
    bench.until("GOOD:STATE", 1)
    assert bench.value("STUCK:STATE") == 4
    assert bench.value("STUCK:LAST_ERROR") == "stuck.py: hangs while it is loaded, given up"[:39]
    runs = bench.value("GOOD:RUNS")
    path.with_suffix(".go").touch()
    bench.until("STUCK:V", 1.0)
    assert bench.value("GOOD:RUNS") > runs, "counts go on"
    wait_until(lambda: not HangingMemory(memory_path(bench.site)).hung(find_plugins(bench.site)["stuck"]), "forgotten")
