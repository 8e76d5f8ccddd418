"""A process that begins as a copy of supervisord is, to itself and to everybody else, the command it was started as."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.sipmdcs.supervise.tiny_site import PLUGIN

ENDINGS = {"returns": 0, "exits": 3, "explains": 1, "breaks": 1, "leaves": 7}

SUPERVISOR = """
import json, os, signal, socket, sys
import sipmdcs.cli
from sipmdcs.supervise.preload import Loaded, preload
from sipmdcs.supervise.supervisord import Options

loaded = preload()
copied = {
    "copy": loaded,
    "changed": Loaded(loaded.files | {sipmdcs.cli.__file__: (0, 0)}),
    "execute": None,
}
for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
    signal.signal(number, lambda *_: None)
signal.signal(signal.SIGHUP, signal.SIG_IGN)
held = [socket.socket() for _ in range(80)]
os.umask(0o27)
results = []
for case in json.loads(sys.argv[1]):
    child = os.fork()
    if child == 0:
        os.setpgrp()
        for descriptor, name in ((0, "in"), (1, "out"), (2, "err")):
            os.dup2(os.open(case["folder"] + "/" + name, os.O_RDWR | os.O_CREAT), descriptor)
        os.chdir(case["folder"])
        os.closerange(3, 64)
        Options.loaded = copied[case["start"]]
        Options.execve(Options.__new__(Options), sys.executable, case["arguments"], os.environ | case["environment"])
    results.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
os.write(1, json.dumps(results).encode())
os._exit(0)
"""
"""As supervisord forks: descriptors from 64 on are left to the execution to close."""


@pytest.fixture(scope="module")
def ends(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], dict[str, Any]]:
    """What processes see of themselves and what they leave, by start and ending."""
    top = tmp_path_factory.mktemp("forked")
    wanted = [(start, ending) for start in ("copy", "execute") for ending in ENDINGS] + [("changed", "returns")]
    cases: list[dict[str, Any]] = []
    for start, ending in wanted:
        folder = top / f"{start}-{ending}" / "same"
        folder.mkdir(parents=True)
        (folder / "in").write_text("told")
        arguments = [sys.executable, "-P", "-m", "sipmdcs", "probe", "seen.json", ending, "a b", ""]
        cases.append({"start": start, "folder": str(folder), "arguments": arguments, "environment": {"ÄÖ": "a=b\nc"}})
    done = subprocess.run(
        [sys.executable, "-P", "-c", SUPERVISOR, json.dumps(cases)],
        env=os.environ | {"PYTHONPATH": str(PLUGIN), "PYTHONUNBUFFERED": "1", "XDG_STATE_HOME": str(top)},
        capture_output=True,
        text=True,
        timeout=200,
        check=True,
    )
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for key, case, status in zip(wanted, cases, json.loads(done.stdout), strict=True):
        folder = Path(case["folder"])
        last = (folder / "err").read_text("utf-8").splitlines()[-1]
        found[key] = {
            "seen": json.loads((folder / "seen.json").read_text("utf-8").replace(str(folder), "FOLDER")),
            "out": (folder / "out").read_text("utf-8"),
            "err": last.rpartition("Z ")[2],  # without the time
            "status": status,
        }
    return found


@pytest.mark.parametrize("ending", ENDINGS)
def test_copy_and_execution_cannot_be_told_apart(ends: dict[tuple[str, str], dict[str, Any]], ending: str) -> None:
    copied, executed = ends["copy", ending], ends["execute", ending]
    assert (copied["seen"].pop("preloaded"), executed["seen"].pop("preloaded")) == (True, False)
    assert copied == executed
    assert copied["status"] == ENDINGS[ending]


def test_changed_code_is_what_runs(ends: dict[tuple[str, str], dict[str, Any]]) -> None:
    assert not ends["changed", "returns"]["seen"]["preloaded"]
