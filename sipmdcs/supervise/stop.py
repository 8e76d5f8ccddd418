"""Stop a site, leaving nothing behind."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from sipmdcs.errors import ServiceError
from sipmdcs.supervise.processes import end_processes, marked_processes, supervisor_process
from sipmdcs.supervise.run_folder import RunFolder
from sipmdcs.supervise.supervisor_conf import STOP_WAIT_S

GRACE_S = 12.0
"""How long stray processes may take to end by themselves: measured 11 s for 16 at once on two busy cores."""

_ROUNDS = 3
"""A process may start another one just before it ends; the next round finds that."""

Report = Callable[[str], None]
"""Takes one line for the user."""


def stop_site(folder: Path, report: Report) -> None:
    """End supervisord and everything of the site in ``folder``; harmless if nothing runs. The caller holds the site's lock.

    Services go first, then IOCs, then simulators, as supervisord was told; strays of a killed supervisord go all at once.

    Raises:
        ServiceError: something does not end.
    """
    supervisor = supervisor_process(folder)
    if supervisor is not None:
        report(f"stopping supervisor (pid {supervisor.pid}) and what it runs")
        # Three groups one after the other, each given STOP_WAIT_S before it is killed.
        end_processes([supervisor], grace_s=3 * STOP_WAIT_S + GRACE_S)
    end_strays(folder, report)
    remove_run_files(RunFolder.of(folder))


def end_strays(folder: Path, report: Report) -> None:
    """End every process of the site that is left.

    Raises:
        ServiceError: one does not end even when killed.
    """
    for _ in range(_ROUNDS):
        strays = marked_processes(folder)
        if not strays:
            return
        for stray in strays:
            report(f"stopping {stray.program or 'supervisor'} (pid {stray.process.pid}), left by a supervisor that is gone")
        killed = end_processes([stray.process for stray in strays], GRACE_S)
        if killed:
            report(f"killed {', '.join(str(process.pid) for process in killed)}: still there after {GRACE_S:g} s")
    if left := marked_processes(folder):
        raise ServiceError(f"process {left[0].process.pid} ({left[0].program or 'supervisor'}) does not end")


def remove_run_files(run: RunFolder) -> None:
    """Remove what only a running site has; the lock stays, since it is held."""
    run.socket.unlink(missing_ok=True)
    run.notify_socket.unlink(missing_ok=True)
    for path in run.folder.iterdir():
        if path == run.lock:
            continue
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
