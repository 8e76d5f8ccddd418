"""A plugin that keeps what it should give back is replaced, with the reason."""

import threading
from pathlib import Path

import psutil
import pytest

from agents.holdings import MAX_HELD, Holdings, excess, is_exhaustion
from tests.agents.bench import wait_until

pytestmark = pytest.mark.timeout(180)

HEAD = 'agent = Agent(interval=0.2, outputs=[Output("V")])\nkept = []\n'
LEAKS = {
    "files": ("import os\n", "kept.extend(open(os.devnull) for _ in range(400))", "open file descriptors"),
    "threads": (
        "import threading\n",
        "kept.extend(threading.Thread(target=threading.Event().wait, daemon=True) for _ in range(30))\n"
        "    [one.start() for one in kept if not one.is_alive()]",
        "threads",
    ),
    "children": ("import subprocess\n", "kept.extend(subprocess.Popen(['sleep', '60']) for _ in range(11))", "processes"),
    "orphans": (
        "import subprocess\n",
        "subprocess.run(['sh', '-c', 'for n in 1 2 3 4 5 6 7 8 9 10 11; do setsid sleep 60 & done'])",
        "child processes",
    ),
    "temporary": (
        "import tempfile, os\n",
        "[os.close(tempfile.mkstemp()[0]) for _ in range(600)]",
        "temporary files",
    ),
    "memory": ("", "kept.append(bytearray(b'x') * (300 << 20))", "MB of memory"),
}


@pytest.fixture(scope="module")
def leaking(tmp_path_factory, free_ports):
    from tests.agents.bench import Bench
    from tests.agents.conftest import GOOD, QUIET

    bench = Bench(tmp_path_factory.mktemp("leaks") / "site", free_ports(3), {"X": 1.5, "Y": 2.0})
    bench.write("agents.yaml", QUIET)
    bench.plugin("good", GOOD)
    for name, (imports, leak, _) in LEAKS.items():
        bench.plugin(name, f"{imports}{HEAD}def work(inputs):\n    {leak}\n    return {{'V': len(kept)}}\n")
    try:
        bench.start()
        yield bench
    finally:
        bench.stop()


@pytest.mark.parametrize("name", LEAKS)
def test_what_leaks_is_replaced_with_the_reason(leaking, name):
    wait_until(lambda: leaking.value(f"{name.upper()}:RESTARTS") >= 2, f"{name} is replaced", timeout=90)
    wait_until(lambda: LEAKS[name][2] in leaking.log(), "the reason")
    assert leaking.value("GOOD:RESTARTS") == 0


def test_what_was_kept_is_gone_with_the_process(leaking):
    def folders():
        environments = []
        for worker in leaking.workers():
            try:
                environments.append(worker.environ().get("TMPDIR", ""))
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                continue
        return {folder for folder in environments if "/agents/workers/" in folder}

    seen = wait_until(folders, "workers with a folder of their own")
    restarts = leaking.value("TEMPORARY:RESTARTS")
    wait_until(lambda: leaking.value("TEMPORARY:RESTARTS") > restarts + 1, "replaced", timeout=90)
    wait_until(lambda: any(not Path(folder).exists() for folder in seen), "the folder of a replaced process is gone")


def test_holdings_are_those_of_the_process(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    before = Holdings.of_this_process()
    end = threading.Event()
    thread = threading.Thread(target=end.wait)
    thread.start()
    files = [(tmp_path / str(n)).open("w") for n in range(5)]
    after = Holdings.of_this_process()
    end.set()
    thread.join()
    for file in files:
        file.close()
    assert after.descriptors - before.descriptors == 5
    assert after.threads - before.threads == 1
    assert after.temporary_files - before.temporary_files == 5
    assert 10 < before.megabytes < 4000


def test_only_growth_beyond_a_limit_is_too_much():
    low = Holdings(10, 2, 0, 0, 50)
    assert excess(low, low) == ""
    assert excess(low, Holdings(10 + MAX_HELD["descriptors"], 2, 0, 0, 50)) == ""
    text = excess(low, Holdings(11 + MAX_HELD["descriptors"], 2, 33, 0, 50))
    assert text == "keeps 257 open file descriptors, at most 256, keeps 33 child processes, at most 32"


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (MemoryError(), True),
        (OSError(24, "Too many open files"), True),
        (BlockingIOError(11, "Resource temporarily unavailable"), True),
        (RuntimeError("can't start new thread"), True),
        (RuntimeError("another"), False),
        (FileNotFoundError(2, "No such file"), False),
        (ZeroDivisionError(), False),
        (None, False),
    ],
)
def test_errors_that_the_next_run_would_have_too(error, expected):
    assert is_exhaustion(error) is expected
    if error is not None:
        wrapped = ValueError("wrapped")
        wrapped.__cause__ = error
        assert is_exhaustion(wrapped) is expected
