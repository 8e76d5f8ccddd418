"""Finding the processes of a site, whoever their parent is.

Everything that ``up`` starts inherits the environment variable ``SIPMDCS_SUPERVISED`` with the path of the site folder.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

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
        return "supervisor.supervisord" in process.cmdline()
    except psutil.Error:
        return False


def end_processes(processes: Sequence[psutil.Process], grace_s: float) -> list[psutil.Process]:
    """Ask processes to end with SIGTERM, and after ``grace_s`` seconds make them.

    Returns:
        Those that had to be killed.
    """
    for process in processes:
        _signal(process, kill=False)
    _, stubborn = psutil.wait_procs(list(processes), timeout=grace_s)
    for process in stubborn:
        _signal(process, kill=True)
    psutil.wait_procs(stubborn, timeout=grace_s)
    return stubborn


def _signal(process: psutil.Process, *, kill: bool) -> None:
    try:
        process.kill() if kill else process.terminate()
    except psutil.NoSuchProcess:
        return
