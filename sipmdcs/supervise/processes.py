"""Finding the processes of a site, whoever their parent is.

Everything that ``up`` starts inherits the environment variable ``SIPMDCS_SUPERVISED`` with the path of the site folder.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

_POLL_S = 0.02

MARKER = "SIPMDCS_SUPERVISED"
_PROGRAM = "SUPERVISOR_PROCESS_NAME"
"""Set by supervisord for each of its children."""


@dataclass(frozen=True, slots=True)
class Found:
    """A process of the site."""

    process: psutil.Process
    program: str
    """Name of the program it belongs to; empty for supervisord itself."""


def marked_processes(folder: Path) -> list[Found]:
    """Processes that ``up`` started for the site in ``folder``, this process and its parents left out."""
    own = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
    found: list[Found] = []
    for process in psutil.process_iter():
        try:
            environment = process.environ()
        except psutil.Error:  # gone meanwhile, a zombie, or another user's: none of them is ours to stop
            continue
        if environment.get(MARKER) == str(folder) and process.pid not in own:
            found.append(Found(process, environment.get(_PROGRAM, "")))
    return found


def supervisor_process(folder: Path) -> psutil.Process | None:
    """The supervisord of a site."""
    for found in marked_processes(folder):
        if not found.program and _is_supervisord(found.process):
            return found.process
    return None


def _is_supervisord(process: psutil.Process) -> bool:
    try:
        return "sipmdcs.supervise.supervisord" in process.cmdline()
    except psutil.Error:
        return False


def end_processes(processes: Sequence[psutil.Process], grace_s: float) -> list[psutil.Process]:
    """Ask processes to end with SIGTERM, and after ``grace_s`` seconds make them.

    Returns:
        Those that had to be killed.
    """
    for process in processes:
        _signal(process, kill=False)
    stubborn = _wait_gone(processes, grace_s)
    for process in stubborn:
        _signal(process, kill=True)
    _wait_gone(stubborn, grace_s)
    return stubborn


def _signal(process: psutil.Process, *, kill: bool) -> None:
    try:
        process.kill() if kill else process.terminate()
    except psutil.NoSuchProcess:
        return


def _wait_gone(processes: Sequence[psutil.Process], timeout_s: float) -> list[psutil.Process]:
    """Wait until processes have ended; those that have not after ``timeout_s`` seconds."""
    # Not psutil.wait_procs: an orphan stays a zombie as long as the machine's first process likes, and that is as good as gone.
    deadline = time.monotonic() + timeout_s
    alive = [process for process in processes if _is_alive(process)]
    while alive and time.monotonic() < deadline:
        time.sleep(_POLL_S)
        alive = [process for process in alive if _is_alive(process)]
    return alive


def _is_alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
