"""Stopping and starting single processes of a site that is up."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from sipmdcs.errors import BadInput, ServiceError
from sipmdcs.supervise.client import SupervisorClient
from sipmdcs.supervise.processes import supervisor_process
from sipmdcs.supervise.run_folder import RunFolder


def stop_processes(folder: Path, names: Sequence[str]) -> None:
    """Stop the named processes and leave them so until somebody starts them; harmless for one that does not run.

    Raises:
        BadInput: a name that no process of the site has; nothing is stopped then.
        ServiceError: the site is not up.
    """
    _for_each(folder, names, SupervisorClient.stop)


def start_processes(folder: Path, names: Sequence[str]) -> None:
    """Start the named processes, without waiting until they are ready; harmless for one that runs.

    Raises:
        BadInput: a name that no process of the site has; nothing is started then.
        ServiceError: the site is not up.
    """
    _for_each(folder, names, SupervisorClient.start)


def _for_each(folder: Path, names: Sequence[str], action: Callable[[SupervisorClient, str], None]) -> None:
    if supervisor_process(folder) is None:
        raise ServiceError(f"{folder}: the site is not up; run: sipmdcs up")
    client = SupervisorClient(RunFolder.of(folder).socket)
    known = {info.name: info.full_name for info in client.processes()}
    if unknown := [name for name in names if name not in known]:
        raise BadInput(f"no process {unknown[0]}, there are {', '.join(sorted(known))}")
    for name in names:
        action(client, known[name])
