"""``sipmdcs agents …`` and plugins that run by themselves."""

import json
import subprocess
import sys

import pytest

from tests.agents.bench import wait_until
from tests.agents.conftest import BAD

pytestmark = pytest.mark.timeout(180)


def test_list(bench):
    rows = {row["name"]: row for row in json.loads(bench.run("agents", "list", "--json").stdout)}
    assert {"good", "hang", "summary", "heartbeats", "hotcache", "gaindrift"} <= rows.keys()
    assert rows["good"] == {
        "name": "good",
        "enabled": True,
        "interval_s": 0.2,
        "offset_s": 0.0,
        "outputs": 3,
        "description": "",
        "file": str(bench.folder / "agents" / "good.py"),
        "problem": "",
    }
    assert rows["hotcache"]["enabled"] is False
    assert "syntax.py:2: SyntaxError" in rows["syntax"]["problem"]
    assert "unusable: " in bench.run("agents", "list").stdout


def test_check_complains_once_for_each(bench):
    done = bench.run("agents", "check", check=False)
    assert done.returncode == 1
    lines = done.stderr.splitlines()
    assert len(lines) == 4
    assert all(line.startswith(f"Error: {bench.folder}/agents/") for line in lines)
    assert done.stdout == f"{len(BAD) + 4 - 4} of {len(BAD) + 4} agents can be used\n"


def test_check_of_a_good_site(make_bench):
    assert make_bench().run("agents", "check").stdout == "4 of 4 agents can be used\n"


@pytest.mark.parametrize(
    ("yaml", "message"),
    [
        ("agents:\n  nobody: {}\n", "agents.yaml:2: agents.nobody: there is no agent of that name"),
        ("agents:\n  summary: {interval: 0}\n", "agents.yaml:2: agents.summary.interval: input should be greater"),
        ("agents:\n  summary: {intervall: 2}\n", "agents.yaml:2: agents.summary.intervall: unknown key"),
        (
            "agents:\n  hotcache:\n    parameters:\n      pv: []\n",
            "agents.yaml:4: agents.hotcache.parameters.pv: parameter pv is",
        ),
        ("tick_s: 0\n", "agents.yaml:1: tick_s: input should be greater"),
    ],
)
def test_check_of_settings(make_bench, yaml, message):
    bench = make_bench()
    bench.write("agents.yaml", yaml)
    done = bench.run("agents", "check", check=False)
    assert done.returncode == 1
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_check_of_names(make_bench):
    bench = make_bench()
    bench.plugin("Upper", BAD["exits"])
    bench.plugin("_helper", "1/0")
    done = bench.run("agents", "check", check=False)
    assert done.stderr == (
        f"Error: {bench.folder}/agents/Upper.py: Upper is no name for an agent, expected a-z, 0-9 and _, 16 at most; "
        "a leading _ marks a module that is none\n"
    )


def test_run_prints_inputs_outputs_and_time_and_publishes_nothing(bench):
    runs = bench.value("GOOD:RUNS")
    out = bench.run("agents", "run", "good").stdout
    assert "x: 2 inputs\n  T:BENCH:PS1:X = 1.5\n  T:BENCH:PS1:Y = 2.0\noutputs:\n  SUM = 3.50 V\n" in out
    assert out.rstrip().endswith(" ms")
    assert bench.value("GOOD:RUNS") - runs < 200


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("raises", "raises.py:3: ZeroDivisionError: division by zero"),
        ("syntax", "syntax.py:2: SyntaxError: expected ':'"),
        ("summary", "summary.py: there is another agent summary"),
        ("nobody", "there is no agent nobody, but "),
    ],
)
def test_run_of_what_fails(bench, name, message):
    done = bench.run("agents", "run", name, check=False)
    assert done.returncode == 1
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_new_writes_a_plugin_that_runs(make_bench):
    bench = make_bench({"CH01:TEMP_RBV": 25.5})
    bench.start_plant()
    bench.run("agents", "new", "mean")
    wait_until(lambda: "MEAN = 25.50 degC" in bench.run("agents", "run", "mean").stdout, "the mean")
    again = bench.run("agents", "new", "mean", check=False)
    assert again.returncode == 1
    assert "there is an agent mean already" in again.stderr
    bad = bench.run("agents", "new", "Mean Value", check=False)
    assert "'Mean Value' is no name for an agent" in bad.stderr


def test_a_plugin_runs_by_itself_and_writes_to_the_cache_if_told(make_bench):
    bench = make_bench({"CH01:TEMP_RBV": 25.5})
    bench.start_plant()
    bench.memcached.start()
    bench.run("agents", "new", "mean")

    def alone(*options):
        environment = {name: value for name, value in bench.environment.items() if not name.startswith(("EPICS", "SIPMDCS"))}
        command = [sys.executable, "agents/mean.py", *options]
        return subprocess.run(
            command, cwd=bench.folder, env=environment, capture_output=True, text=True, check=False, timeout=60
        )

    wait_until(lambda: "MEAN = 25.50 degC" in alone().stdout, "the mean")
    assert bench.memcached.entry("T:AGENT:MEAN:MEAN") is None
    assert alone("--cache").returncode == 0
    entry = bench.memcached.entry("T:AGENT:MEAN:MEAN")
    assert entry is not None
    assert (entry["value"], entry["unit"], entry["source"]) == (25.5, "degC", "mean")
    bench.memcached.stop()
    done = alone("--cache")
    assert done.returncode == 1
    assert "memcached does not answer; nothing was written to the hot cache" in done.stderr
    assert "Traceback" not in done.stderr
