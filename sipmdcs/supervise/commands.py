"""``up``, ``down``, ``status``, ``demo``, ``supervisor``."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import click

from sipmdcs.cli import Invocation, pass_invocation, pass_site
from sipmdcs.command_examples import examples
from sipmdcs.errors import BadInput
from sipmdcs.site import SITE_FILE, Site
from sipmdcs.supervise.bring_up import NotReady, bring_up
from sipmdcs.supervise.lock import site_lock
from sipmdcs.supervise.run_folder import RunFolder
from sipmdcs.supervise.single import start_processes, stop_processes
from sipmdcs.supervise.status import SiteStatus, State, site_status
from sipmdcs.supervise.stop import stop_site

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_SCENARIO = """

\b
A scenario:
  title: Two minutes
  steps:
    - {at_min: 0, run: "run start --type physics --json", note: a run}
    - {at_min: 2, run: "run end --events 1000"}"""
_SPEED = click.FloatRange(min=0, min_open=True)


@click.command(
    epilog=examples(
        "sipmdcs up",
        "sipmdcs up --timeout 300       # on a slow machine",
        "sipmdcs up archiver pveto-a    # these again, after: sipmdcs down archiver pveto-a",
    ),
)
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--timeout", "timeout_s", type=click.FloatRange(min=0), default=120.0, show_default=True, help="Seconds to wait.")
@pass_site
def up(site: Site, names: tuple[str, ...], timeout_s: float) -> None:
    """Start every process of the site and wait until all are ready.

    A process that dies is started again, ever more slowly up to once a minute; one that hangs, showing no life for 15 s, is
    ended and started again. With NAMEs as status shows them, only those are started, of a site that is up.
    """
    if names:
        start_processes(site.folder, names)
        return
    with site_lock(RunFolder.of(site.folder)):
        try:
            bring_up(site, timeout_s)
        except NotReady as err:
            raise NotReady(
                f"{err}\n  it is started again and again; sipmdcs status tells how it is, sipmdcs down ends it"
            ) from err


@click.command(
    epilog=examples(
        "sipmdcs down",
        "sipmdcs --site ~/mysite down",
        "sipmdcs down archiver          # only this one",
    ),
)
@click.argument("names", nargs=-1, metavar="[NAME]...")
@pass_invocation
def down(invocation: Invocation, names: tuple[str, ...]) -> None:
    """Stop every process of the site; nothing is left running, even if the supervisor was killed.

    With NAMEs as status shows them, only those are stopped, and stay so until: up NAME.
    """
    # The site file is not read: a mistake in it must not keep anybody from stopping what runs.
    folder = invocation.folder.resolve()
    if not (folder / SITE_FILE).is_file():
        raise BadInput(f"no {SITE_FILE} here; name a site folder with --site", file=folder)
    if names:
        stop_processes(folder, names)
        return
    with site_lock(RunFolder.of(folder)):
        stop_site(folder, click.echo)
    click.echo(f"{folder}: nothing is running")


@click.command(
    epilog=examples(
        "sipmdcs status",
        "sipmdcs status --json",
    ),
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_context
@pass_site
def status(site: Site, ctx: click.Context, as_json: bool) -> None:
    """Show what runs; exit status 1 if anything that should run does not."""
    found = site_status(site)
    if as_json:
        click.echo(json.dumps(asdict(found), indent=2))
    else:
        _show(found)
    if not found.all_running:
        ctx.exit(1)


@click.command(
    epilog=examples(
        "sipmdcs demo",
        "sipmdcs demo ~/mysite --headless --seconds 60",
        "sipmdcs demo --play examples/padme-like/hour.yaml",
    ),
)
@click.argument("folder", required=False, type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--headless", is_flag=True, help="Without screens.")
@click.option("--seconds", type=click.FloatRange(min=0), help="End by itself so long after everything is ready.")
@click.option("--play", "scenario", type=_FILE, help="Play this scenario once everything is ready; see: sipmdcs play --help")
@click.option("--speed", type=_SPEED, default=60.0, show_default=True, help="With --play: how many times faster.")
@click.pass_context
@pass_invocation
def demo(
    invocation: Invocation,
    ctx: click.Context,
    folder: Path | None,
    headless: bool,
    seconds: float | None,
    scenario: Path | None,
    speed: float,
) -> None:
    """Run a simulated detector with screens until Ctrl-C.

    FOLDER is a site with simulated controllers; left out, it is the one named by --site or SIPMDCS_SITE, else the example of a
    veto detector that comes with the program. Its tables are imported if its database is empty, its settings pushed, and all
    channels switched on.
    """
    from sipmdcs.supervise.demo import run_demo
    from sipmdcs.supervise.demo_site import shipped_example

    if folder is None:
        given = ctx.find_root().get_parameter_source("folder") is not click.core.ParameterSource.DEFAULT
        folder = invocation.folder if given else shipped_example()
    from sipmdcs.supervise.scenario import read_scenario

    play: tuple[str, ...] = ()
    if scenario is not None:
        read_scenario(scenario)  # what is wrong with it is said before anything starts
        play = (str(scenario), "--speed", f"{speed:g}")
    run_demo(folder, headless=headless, seconds=seconds, play=play)


@click.command(
    epilog=examples(
        "sipmdcs play examples/padme-like/hour.yaml",
        "sipmdcs play night.yaml --speed 1",
    )
    + _SCENARIO,
)
@click.argument("scenario", type=_FILE)
@click.option("--speed", type=_SPEED, default=60.0, show_default=True, help="How many times faster than its minutes say.")
@pass_site
def play(site: Site, scenario: Path, speed: float) -> None:
    """Play the commands of SCENARIO, a YAML file, against the site, which is up.

    Every step is a sipmdcs command with the minute at which it is due, as a script of the data acquisition would give it.
    """
    from sipmdcs.clock import SystemClock
    from sipmdcs.supervise.scenario import play as play_scenario
    from sipmdcs.supervise.scenario import read_scenario

    play_scenario(site, read_scenario(scenario), speed, click.echo, SystemClock())


@click.command()
@pass_site
def supervisor(site: Site) -> None:
    """Serve the state of all processes as PVs; up starts it if site.yaml lists it among the services."""
    from sipmdcs.supervise.publish import publish

    publish(site)


def _show(found: SiteStatus) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for heading in ("name", "state", "pid", "uptime", "restarts", "last exit"):
        table.add_column(heading, justify="right" if heading in ("pid", "uptime", "restarts") else "left")
    colours = {State.RUNNING: "green", State.STARTING: "yellow", State.WAITING: "red", State.STRAY: "red"}
    for service in found.services:
        state = service.state if service.next_start_s is None else f"{service.state} {service.next_start_s:.0f} s"
        colour = colours.get(service.state, "default")
        table.add_row(
            service.name,
            f"[{colour}]{state}[/]",
            "" if service.pid is None else str(service.pid),
            "" if service.uptime_s is None else _duration(service.uptime_s),
            f"{service.restarts} ({service.hangs} hung)" if service.hangs else str(service.restarts),
            service.last_exit,
        )
    Console().print(table)
    # Lines of their own: in a column of 20 characters nobody can read them.
    for service in found.services:
        if service.last_error:
            click.echo(f"last error of {service.name}: {service.last_error}")
    supervisor = "no supervisor" if found.supervisor_pid is None else f"supervisor pid {found.supervisor_pid}"
    click.echo(f"{found.site}: {supervisor}")


def _duration(seconds: int) -> str:
    hours, rest = divmod(seconds, 3600)
    return f"{hours}:{rest // 60:02}:{rest % 60:02}"
