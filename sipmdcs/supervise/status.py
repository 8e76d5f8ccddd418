"""What runs and what does not."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from sipmdcs.errors import ServiceError
from sipmdcs.logs import last_error
from sipmdcs.site import Site
from sipmdcs.supervise.backoff import History
from sipmdcs.supervise.client import ProcessInfo, SupervisorClient
from sipmdcs.supervise.keeper import DEAD, read_histories
from sipmdcs.supervise.processes import marked_processes, supervisor_process
from sipmdcs.supervise.programs import Program, programs
from sipmdcs.supervise.readiness import is_ready
from sipmdcs.supervise.run_folder import RunFolder

_log = logging.getLogger(__name__)

_TAIL_BYTES = 65_536
_EXIT_LINE = re.compile(r"(?:exited|stopped): (?P<name>\S+) \((?P<how>[^;)]+)")


class State(StrEnum):
    """State of a supervised process."""

    RUNNING = "RUNNING"
    """It does its work."""
    STARTING = "STARTING"
    """The process is there but has not said yet that it is ready."""
    WAITING = "WAITING"
    """It died and is started again soon."""
    STOPPED = "STOPPED"
    STRAY = "STRAY"
    """The process is there but nobody supervises it; ``down`` ends it."""


@dataclass(frozen=True, slots=True)
class ServiceStatus:
    """One line of ``status``."""

    name: str
    state: State
    pid: int | None = None
    uptime_s: int | None = None
    """Whole seconds; of a process that runs."""
    restarts: int = 0
    """Since ``up``."""
    hangs: int = 0
    """Restarts among those because it showed no life for too long."""
    next_start_s: float | None = None
    """Of a process that waits; None in the moment before that is planned."""
    last_exit: str = ""
    """Why it ended last, such as ``terminated by SIGKILL`` or ``exit status 1``; empty if it never did since ``up``."""
    last_error: str = ""
    """The newest error in its log."""
    log: str = ""


@dataclass(frozen=True, slots=True)
class SiteStatus:
    """What ``status`` tells."""

    site: str
    supervisor_pid: int | None
    services: tuple[ServiceStatus, ...]

    @property
    def all_running(self) -> bool:
        """Whether everything does its work."""
        return self.supervisor_pid is not None and all(service.state is State.RUNNING for service in self.services)


def site_status(site: Site) -> SiteStatus:
    """State of every process of the site, now."""
    wanted = programs(site)
    supervisor = supervisor_process(site.folder)
    if supervisor is not None:
        try:
            return SiteStatus(str(site.folder), supervisor.pid, supervised_services(site, wanted))
        except ServiceError:
            _log.warning("supervisor (pid %d) does not answer, it is being started or stopped", supervisor.pid)
    strays = {found.program: found.process.pid for found in marked_processes(site.folder)}
    run = RunFolder.of(site.folder)
    return SiteStatus(
        str(site.folder), None, tuple(_unsupervised(program, strays.get(program.name), run) for program in wanted)
    )


def supervised_services(site: Site, wanted: Iterable[Program]) -> tuple[ServiceStatus, ...]:
    """State of some processes as supervisord sees them.

    Raises:
        ServiceError: supervisord does not answer.
    """
    run = RunFolder.of(site.folder)
    infos = {info.full_name: info for info in SupervisorClient(run.socket).processes()}
    histories = read_histories(run.keeper)
    exits = last_exits(tail(run.supervisor_log))
    return tuple(
        _supervised(site, program, infos[program.full_name], histories.get(program.full_name, History()), exits)
        if program.full_name in infos  # else it was added to site.yaml since
        else _unsupervised(program, None, run)
        for program in wanted
    )


def _unsupervised(program: Program, pid: int | None, run: RunFolder) -> ServiceStatus:
    log = run.log(program.name)
    state = State.STOPPED if pid is None else State.STRAY
    return ServiceStatus(program.name, state, pid, last_error=last_error(tail(log)), log=str(log))


def _supervised(site: Site, program: Program, info: ProcessInfo, history: History, exits: Mapping[str, str]) -> ServiceStatus:
    log = RunFolder.of(site.folder).log(program.name)
    alive = info.pid != 0
    next_start_s = None
    if alive:
        state = State.RUNNING if is_ready(site, program, info.pid, info.start) else State.STARTING
    elif history.due is not None:
        state = State.WAITING
        next_start_s = round(max(0.0, history.due - time.time()), 1)
    else:
        # What died is WAITING already before its keeper has heard of it: nobody stopped it.
        state = State.WAITING if info.state in DEAD else State.STOPPED
    return ServiceStatus(
        program.name,
        state,
        info.pid or None,
        uptime_s=info.now - info.start if alive else None,
        restarts=history.restarts,
        hangs=history.hangs,
        next_start_s=next_start_s,
        last_exit=exits.get(program.name, ""),
        last_error=last_error(tail(log)),
        log=str(log),
    )


def last_exits(lines: Iterable[str]) -> dict[str, str]:
    """How each program ended last, from the log of supervisord, which is the only place where it names the signal."""
    return {match["name"]: match["how"] for line in lines if (match := _EXIT_LINE.search(line))}


def tail(path: Path) -> list[str]:
    """The last lines of a text file, as many as a few screens hold; none if there is no file."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - _TAIL_BYTES))
            return file.read().decode(errors="replace").splitlines()
    except FileNotFoundError:
        return []
