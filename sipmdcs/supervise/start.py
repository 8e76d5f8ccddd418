"""Start a site: rendered files, supervisord, then simulators, IOCs and services, each awaited."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from itertools import groupby

from sipmdcs.errors import ServiceError
from sipmdcs.site import Site
from sipmdcs.supervise.client import SupervisorClient
from sipmdcs.supervise.file_limit import raise_file_limit
from sipmdcs.supervise.ports import check_ports
from sipmdcs.supervise.processes import supervisor_process
from sipmdcs.supervise.programs import Program, programs
from sipmdcs.supervise.readiness import simulator_endpoints
from sipmdcs.supervise.run_folder import RunFolder
from sipmdcs.supervise.status import ServiceStatus, SiteStatus, State, site_status, supervised_services
from sipmdcs.supervise.stop import Report, end_strays, remove_run_files
from sipmdcs.supervise.supervisor_conf import supervisor_conf, supervisor_environment

POLL_S = 0.2
KEEPER_S = 60.0
"""How long the keeper may take to start, on a machine that is busy."""


def start_site(site: Site, report: Report, timeout_s: float) -> SiteStatus:
    """Start everything and wait until it is ready. The caller holds the site's lock.

    What is not ready in time goes on being started by the keeper; the status that is returned tells.

    Raises:
        BadInput: the site's files cannot be used.
        ServiceError: the site runs already, a port is taken, or supervisord does not start.
    """
    wanted = programs(site)
    run = RunFolder.of(site.folder)
    supervisor = supervisor_process(site.folder)
    if supervisor is not None:
        raise ServiceError(f"{site.folder} is up already, supervisor pid {supervisor.pid}; see sipmdcs status or sipmdcs down")
    end_strays(site.folder, report)
    remove_run_files(run)
    check_ports(site)
    render(site, report)
    raise_file_limit(report)
    _start_supervisor(site, run, wanted)
    _wait_for_keeper(run)
    client = SupervisorClient(run.socket)
    for path in simulator_endpoints(site):
        path.unlink(missing_ok=True)
    deadline = time.monotonic() + timeout_s
    for _, members in groupby(wanted, key=lambda program: program.stage):
        stage = list(members)
        for program in stage:
            client.start(program.full_name)
        _wait_ready(site, stage, deadline, report)
    return site_status(site)


def render(site: Site, report: Report) -> None:
    """Bring the files that IOCs boot from up to date with the configuration database.

    A database that cannot be reached stops nobody: the files of last time are used, and the user is told.

    Raises:
        ServiceError: it failed, and there are no files of last time for every IOC.
    """
    report("rendering the configuration")
    done = subprocess.run(sipmdcs_command(site, "config", "render"), capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return
    reason = done.stderr.strip().removeprefix("Error: ") or f"exit status {done.returncode}"
    missing = [ioc for ioc in site.file.iocs if not (site.rendered / f"{ioc}.substitutions").is_file()]
    if missing:
        raise ServiceError(f"no files for IOC {missing[0]} and config render failed: {reason}")
    report(f"warning: using the files rendered last time, config render failed: {reason}")


def sipmdcs_command(site: Site, *arguments: str) -> list[str]:
    """The command line of a sub-command for this site, run by this Python."""
    return [sys.executable, "-P", "-m", "sipmdcs", "--site", str(site.folder), *arguments]


def _start_supervisor(site: Site, run: RunFolder, wanted: Sequence[Program]) -> None:
    try:
        run.configuration.write_text(supervisor_conf(wanted), "utf-8")
    except OSError as err:
        raise ServiceError(f"{run.configuration}: cannot be written: {err.strerror}") from err
    command = [sys.executable, "-P", "-m", "sipmdcs.supervise.supervisord", "-c", str(run.configuration)]
    # The daemon keeps what it inherits, so its output must not be a pipe that somebody waits for.
    console = run.logs / "supervisord.out"
    with console.open("wb") as output:
        done = subprocess.run(
            command,
            cwd=site.folder,
            env=supervisor_environment(site),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            check=False,
        )
    if done.returncode != 0:
        lines = console.read_text("utf-8", errors="replace").strip().splitlines()
        silence = f"exit status {done.returncode}, and not a word in {console}: is its disk full?"
        raise ServiceError(f"supervisord did not start: {lines[-1] if lines else silence}")


def _wait_for_keeper(run: RunFolder) -> None:
    """Wait until the keeper hears signs of life, so that it misses none of what starts next.

    Raises:
        ServiceError: it does not start.
    """
    deadline = time.monotonic() + KEEPER_S
    while not run.notify_socket.exists():
        if time.monotonic() > deadline:
            raise ServiceError(f"the keeper does not start; its log is {run.log('keeper')}. To end what runs: sipmdcs down")
        time.sleep(POLL_S / 10)


def _wait_ready(site: Site, stage: Sequence[Program], deadline: float, report: Report) -> None:
    """Wait until the processes of a stage are ready, telling each once; give up at ``deadline`` without a word."""
    start = time.monotonic()
    waiting = {program.name for program in stage}
    complained: set[tuple[str, int]] = set()
    while waiting and time.monotonic() < deadline:
        for service in supervised_services(site, [program for program in stage if program.name in waiting]):
            if service.state is State.RUNNING:
                report(f"{service.name} ready after {time.monotonic() - start:.1f} s")
                waiting.discard(service.name)
            elif service.state is State.WAITING and (service.name, service.restarts) not in complained:
                complained.add((service.name, service.restarts))
                report(f"{service.name} {describe_trouble(service)}; trying again")
        if waiting:
            time.sleep(POLL_S)


def describe_trouble(service: ServiceStatus) -> str:
    """Why a service does not run, in a few words."""
    reason = f": {service.last_error}" if service.last_error else f"; its log is {service.log}"
    return f"ended ({service.last_exit}){reason}" if service.last_exit else f"is {service.state.lower()}{reason}"
