"""What a plugin's process leaves, with its group or not, goes with it; what a killed host leaves, with the next host."""

import os
import signal
from pathlib import Path

import psutil
import pytest

from agents.leftovers import clear_after_others, workers_folder
from sipmdcs.site import Site
from tests.agents.bench import wait_until

pytestmark = pytest.mark.timeout(180)
ESCAPES = """
import os, subprocess, tempfile
agent = Agent(interval=0.2, outputs=[Output("PID", kind="int")]); runs = []
def work(inputs):
    if not runs:
        child = subprocess.Popen(["sh", "-c", "setsid sleep 3000 & echo $!"], stdout=subprocess.PIPE, text=True)
        runs.append(int(child.stdout.readline())); child.wait()
        open(os.path.join(tempfile.gettempdir(), "file"), "w").close()
    return {"PID": runs[0]}
"""


def lives(pid):
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def workers_folders(bench):
    folder = bench.folder / "var" / "agents" / "workers"
    return [path for host in folder.iterdir() for path in host.iterdir()] if folder.is_dir() else []


def test_a_process_that_has_left_its_group_ends_with_its_agent_and_with_the_next_host(make_bench):
    bench = make_bench()
    bench.plugin("escapes", ESCAPES)
    bench.start()

    def escaped(but=None):
        return wait_until(lambda: (pid := int(bench.value("ESCAPES:PID") or 0)) != but and pid, "it has started something")

    first = escaped()
    assert lives(first)
    assert os.getpgid(first) not in {worker.pid for worker in bench.workers()}
    bench.put("ESCAPES:ENABLE", 0)
    wait_until(lambda: not lives(first), "it ends with its agent")
    bench.put("ESCAPES:ENABLE", 1)
    second = escaped(but=first)
    folders = workers_folders(bench)
    assert folders
    assert any((folder / "file").is_file() for folder in folders)
    bench.end("agents", signal.SIGKILL)
    assert lives(second)
    bench.start_agents()
    wait_until(lambda: not lives(second), "the next host ends it")
    wait_until(lambda: not any(folder.exists() for folder in folders), "and removes the files")
    third = escaped(but=second)
    bench.end("agents")
    assert not lives(third)
    assert workers_folders(bench) == []


def test_what_other_hosts_that_live_have_is_left_alone(make_bench):
    site: Site = make_bench().site
    mine = workers_folder(site)
    living, dead = mine.with_name("1"), mine.with_name("999999999")
    for folder in (mine, living, dead):
        (folder / "x").mkdir(parents=True)
    clear_after_others(site)
    assert [path.name for path in sorted(Path(mine.parent).iterdir())] == ["1"]
