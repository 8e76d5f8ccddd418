"""A whole simulated detector for as long as somebody looks: ``sipmdcs demo``."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import click

from sipmdcs.channels import open_channels
from sipmdcs.controllers import controller_type
from sipmdcs.errors import ChannelError, ServiceError
from sipmdcs.outcome import Completed, put_completed
from sipmdcs.site import HttpService, Site
from sipmdcs.supervise.bring_up import NotReady, bring_up
from sipmdcs.supervise.demo_site import import_tables, run_command, writable_site
from sipmdcs.supervise.lock import site_lock
from sipmdcs.supervise.processes import end_processes, supervisor_process
from sipmdcs.supervise.run_folder import RunFolder
from sipmdcs.supervise.signals import deaf_to_interrupts, interrupted_by_signals
from sipmdcs.supervise.start import sipmdcs_command
from sipmdcs.supervise.stop import stop_site

START_TIMEOUT_S = 300.0
"""A slow or busy machine needs minutes; what dies meanwhile is told at once."""
_POLL_S = 0.2


def run_demo(folder: Path, *, headless: bool, seconds: float | None, play: Sequence[str] = ()) -> None:
    """Start the site in ``folder`` with its settings, show it, and stop it when told or after ``seconds``.

    Args:
        folder: the site.
        headless: without screens.
        seconds: end by itself so long after everything is ready and played.
        play: arguments of ``sipmdcs play``; what they say is played while the screens are open.

    Raises:
        BadInput: the site cannot be used.
        ServiceError: something did not start, or the screens failed.
    """
    begin = time.monotonic()
    site = writable_site(folder, click.echo)
    os.environ.update(site.ca_environment())
    run = RunFolder.of(site.folder)
    with interrupted_by_signals():
        with site_lock(run):
            has_settings = import_tables(site, click.echo)
            try:
                bring_up(site, START_TIMEOUT_S)
            except NotReady:
                stop_site(site.folder, click.echo)
                raise
        try:
            if has_settings:
                _push(site)
            _switch_on(site)
            click.echo(f"ready after {time.monotonic() - begin:.1f} s")
            _say_where(site)
            _watch(site, headless=headless or not _has_display(), seconds=seconds, play=play)
        except KeyboardInterrupt:
            click.echo("")
        finally:
            with deaf_to_interrupts(), site_lock(run):
                stop_site(site.folder, click.echo)
    click.echo("the demonstration is over, nothing is running")


def _push(site: Site) -> None:
    click.echo("pushing settings")
    click.echo(run_command(site, "config", "push", "--message", "demonstration").strip().splitlines()[-1])


def _switch_on(site: Site) -> None:
    click.echo("switching all channels on")
    names = [f"{site.controller_prefix(controller)}:ALL_ON" for controller in site.file.controllers]
    channels = open_channels()
    try:
        completions = put_completed(channels, dict.fromkeys(names, 1))
    finally:
        channels.close()
    for pv, completion in completions.items():
        if completion.result is not Completed.DONE:
            raise ChannelError(pv, completion.reason)


def _say_where(site: Site) -> None:
    count = sum(controller_type(controller.driver).channels for controller in site.file.controllers.values())
    environment = site.ca_environment()
    names = ("EPICS_CA_ADDR_LIST", "EPICS_CA_AUTO_ADDR_LIST", "EPICS_CA_SERVER_PORT", "EPICS_CA_REPEATER_PORT")
    click.echo(f"{site.file.name}; controllers: {len(site.file.controllers)}, channels: {count}")
    click.echo(f"  any Channel Access client:  export {' '.join(f'{name}={environment[name]}' for name in names)}")
    for service in site.file.services:
        http = getattr(site.file, service, None)
        if isinstance(http, HttpService):
            scheme = "" if service == "memcached" else "http://"
            click.echo(f"  {service + ':':26}  {scheme}{http.interface}:{http.port}{'/' if scheme else ''}")
    program = Path(sys.executable).with_name("sipmdcs")
    click.echo(f"  in another terminal:        {program} --site {site.folder} status")
    click.echo(f"  logs:                       {RunFolder.of(site.folder).logs}")


def _has_display() -> bool:
    if any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")):
        return True
    click.echo("there is no display: going on without screens")
    return False


def _watch(site: Site, *, headless: bool, seconds: float | None, play: Sequence[str]) -> None:
    """Wait for the end: of the screens, of ``seconds`` after the play, or of the site, stopped by somebody else."""
    click.echo("Ctrl-C ends it")
    deadline: float | None = None
    supervisor = supervisor_process(site.folder)
    screens = None if headless else subprocess.Popen(sipmdcs_command(site, "opi"))
    player = subprocess.Popen(sipmdcs_command(site, "play", *play)) if play else None
    try:
        while deadline is None or time.monotonic() < deadline:
            if screens is not None and screens.poll() is not None:
                if screens.returncode != 0:
                    raise ServiceError(f"the screens ended with status {screens.returncode}")
                return
            if supervisor is None or not supervisor.is_running():
                click.echo("somebody else stopped the site")
                return
            if player is not None and player.poll():
                raise ServiceError(f"the play ended with status {player.returncode}")
            if deadline is None and seconds is not None and (player is None or player.poll() is not None):
                deadline = time.monotonic() + seconds
            time.sleep(_POLL_S)
    finally:
        for process in (screens, player):
            if process is not None and process.poll() is None:
                _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    import psutil

    found = psutil.Process(process.pid)
    end_processes([found, *found.children(recursive=True)], grace_s=5.0)
    process.wait()
