"""What the process of a plugin leaves behind: temporary files, and processes that have left its group.

Everything that a worker starts inherits ``TMPDIR``, a folder of that worker alone, whichever group, session or parent it has by
then; one that clears its environment is not found. Folders are ``var/agents/workers/HOST/…``, with the process number of the
host.
"""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

from sipmdcs.site import Site

_ROUNDS = 20
"""A process may start another one while it is looked for."""
_ROUND_S = 0.05


def workers_folder(site: Site) -> Path:
    """Folders of the workers of this host."""
    return _hosts_folder(site) / str(os.getpid())


def clear_after_others(site: Site) -> None:
    """Clear up after hosts of this site that were killed."""
    try:
        folders = list(_hosts_folder(site).iterdir())
    except OSError:  # there are none
        return
    for folder in folders:
        if folder.name == str(os.getpid()) or not (folder.name.isdecimal() and psutil.pid_exists(int(folder.name))):
            clear(folder)


def clear(folder: Path) -> None:
    """End every process whose folder for temporary files is ``folder`` or within, and remove it."""
    for _ in range(_ROUNDS):
        if not end_processes(folder):
            break
        time.sleep(_ROUND_S)
    shutil.rmtree(folder, ignore_errors=True)


def end_processes(folder: Path) -> int:
    """Kill such processes; how many there were."""
    return sum(1 for pid in psutil.pids() if _end_if_within(pid, os.fsencode(folder)))


def _end_if_within(pid: int, folder: bytes) -> bool:
    try:
        process = os.pidfd_open(pid)  # first, so that what is killed is what was looked at
    except OSError:
        return False
    try:
        if not any(place == folder or place.startswith(folder + b"/") for place in _temporary(pid)):
            return False
        signal.pidfd_send_signal(process, signal.SIGKILL)
    except OSError:  # it has ended, or belongs to another user
        return False
    finally:
        os.close(process)
    return True


def _temporary(pid: int) -> Iterator[bytes]:
    """``TMPDIR`` of a process as it was started; nothing of one that has ended."""
    for entry in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"):
        if entry.startswith(b"TMPDIR="):
            yield entry.removeprefix(b"TMPDIR=")


def _hosts_folder(site: Site) -> Path:
    return site.var.absolute() / "agents" / "workers"
