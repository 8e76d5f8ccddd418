"""When a process started, which tells it from a later one with the same id; by a clock that nobody sets."""

from __future__ import annotations

import os
from pathlib import Path

_STARTTIME = 22
"""Field of ``/proc/PID/stat``, counted from 1 (proc(5))."""


def started_s(pid: int) -> float:
    """Seconds from the boot of this machine to the start of a process.

    Its time of day, as psutil gives it, moves whenever the clock of the machine is set.

    Raises:
        ProcessLookupError: there is no such process.
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except FileNotFoundError as err:
        raise ProcessLookupError(f"no process {pid}") from err
    return int(stat.rpartition(b")")[2].split()[_STARTTIME - 3]) / os.sysconf("SC_CLK_TCK")
