"""A plugin that hangs, crashes or cannot be loaded is its own problem."""

import os
import signal

import psutil
import pytest

from tests.agents.bench import wait_until

pytestmark = pytest.mark.timeout(180)
FAILED, HUNG, INVALID = 4, 5, 3


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("syntax", "syntax.py:2: SyntaxError: expected ':'"),
        ("macro", "macro.py:1: inputs: macro NOBODY is not defined"),
        ("missing", "missing.py:1: has no function work(inputs)"),
        ("interval", "interval.py:1: interval 0, expected 0.1 to 86400 s"),
        ("summary", "summary.py: there is another agent summary: "),
    ],
)
def test_what_cannot_be_loaded_says_where(bench, name, text):
    bench.until(f"{name.upper()}:STATE", FAILED)
    assert bench.value(f"{name.upper()}:LAST_ERROR") == text[:39]


@pytest.mark.parametrize(
    ("name", "state", "text"),
    [
        ("hang", HUNG, "hung: no answer within 0.5 s"),
        ("segv", FAILED, "its process ended: killed by SIGSEGV"),
        ("exits", FAILED, "its process ended: exit status 3"),
        ("hungry", FAILED, "hungry.py:3: MemoryError"),
        ("raises", FAILED, "raises.py:3: ZeroDivisionError: division by zero"),
    ],
)
def test_what_fails_says_how_and_is_tried_again(bench, name, state, text):
    prefix = name.upper()
    bench.put(f"{prefix}:ENABLE", 0)
    bench.put(f"{prefix}:ENABLE", 1)  # delays between attempts begin anew
    wait_until(lambda: bench.value(f"{prefix}:STATE") == state, f"{name} in state {state}")
    assert bench.value(f"{prefix}:LAST_ERROR") == text[:39]
    errors = bench.value(f"{prefix}:ERRORS")
    wait_until(lambda: bench.value(f"{prefix}:ERRORS") > errors, f"{name} is tried again")


@pytest.mark.parametrize("name", ["HANG:V", "RAISES:V"])
def test_outputs_of_what_fails_are_invalid(bench, name):
    wait_until(lambda: bench.read(name)["severity"] == INVALID, name)


def test_others_do_not_notice(bench):
    bench.until("GOOD:STATE", 1)
    bench.put("HANG:ENABLE", 0)
    bench.put("HANG:ENABLE", 1)
    overruns, runs = bench.value("GOOD:OVERRUNS"), bench.value("GOOD:RUNS")
    hangs = bench.value("HANG:ERRORS")
    wait_until(lambda: bench.value("HANG:ERRORS") > hangs, "another hang")
    wait_until(lambda: bench.value("GOOD:RUNS") > runs + 10, "ten runs")
    done = bench.value("GOOD:RUNS") - runs
    assert bench.value("GOOD:OVERRUNS") - overruns <= max(1, done // 10)
    assert bench.value("GOOD:ERRORS") == 0


def test_a_worker_that_is_killed_is_replaced(bench):
    bench.until("GOOD:STATE", 1)
    restarts = bench.value("GOOD:RESTARTS")
    for worker in bench.workers():
        os.kill(worker.pid, signal.SIGKILL)
    wait_until(lambda: bench.value("GOOD:RESTARTS") > restarts, "another process")
    bench.until("GOOD:STATE", 1)
    wait_until(lambda: bench.read("GOOD:SUM")["severity"] == 0, "its outputs")


ONCE = """
agent = Agent(interval=0.2, timeout=600, outputs=[Output("V")]); runs = []
def work(inputs):
    while runs: pass
    runs.append(1)
    return {"V": 1}
"""


def test_a_run_without_end_makes_outputs_stale_and_does_not_outlive_the_host(make_bench):
    bench = make_bench()
    bench.plugin("once", ONCE)
    bench.start()
    bench.until("ONCE:STATE", 2)
    wait_until(lambda: (bench.value("ONCE:V"), bench.read("ONCE:V")["severity"]) == (1.0, INVALID), "stale")
    assert bench.value("ONCE:RUNS") == 1
    workers = bench.workers()
    assert workers
    bench.end("agents", signal.SIGKILL)
    wait_until(lambda: not any(_alive(one) for one in workers), "the workers are gone")


def _alive(process):
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
