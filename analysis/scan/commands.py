"""Sub-commands ``scanner`` (the service) and ``scan`` (asks it)."""

from __future__ import annotations

import asyncio
import getpass
import json
import os
import socket
import sys
from typing import TYPE_CHECKING, Any

import click

from analysis.scan.request import ScanRequest
from sipmdcs.cli import pass_site
from sipmdcs.command_examples import examples
from sipmdcs.errors import BadInput, ServiceError
from sipmdcs.site import Site

if TYPE_CHECKING:
    from analysis.scan.client import ScannerClient

_as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.command()
@pass_site
def scanner(site: Site) -> None:
    """Run the scanner service."""
    from analysis.scan.service import run_scanner  # loads libca, which asking it does not need
    from sipmdcs.channels import open_channels

    asyncio.run(run_scanner(site, open_channels()))


@click.group(
    epilog=examples(
        "sipmdcs scan iv PADME:PVETO:HV13:CH01 --dry-run",
        "sipmdcs scan status",
        "sipmdcs scan abort",
    ),
)
def scan() -> None:
    """Measure current against bias, and look after such scans."""


def _login() -> str:
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container may know no name for its user
        user = f"uid {os.getuid()}"
    return f"{user}@{socket.gethostname()}"


@scan.command(
    epilog=examples(
        "sipmdcs scan iv PADME:PVETO:HV13:CH01 --dry-run",
        "sipmdcs scan iv 'PADME:PVETO:HV13:*' --from VBR-2 --to VBR+4 --step 0.1",
        "sipmdcs scan iv PADME:MONITOR:LED:CH01 --from 50 --to 56 --no-wait",
    ),
)
@click.argument("channels", nargs=-1, required=True, metavar="CHANNEL|PATTERN...")
@click.option("--from", "start", default="VBR-2", show_default=True, help="First voltage, such as 52 or VBR-2.")
@click.option("--to", "stop", default="VBR+4", show_default=True, help="Last voltage.")
@click.option("--step", "step_V", default=0.1, show_default=True, help="Step, V.")
@click.option("--settle", "settle_s", default=0.2, show_default=True, help="Wait at each point, s.")
@click.option("--samples", default=3, show_default=True, help="Fresh readings averaged at each point.")
@click.option("--max-current", "max_current_uA", type=float, help="End a curve here, uA  [80 % of CURRENT_LIMIT].")
@click.option("--poll", "poll_s", type=float, help="Poll period during the scan, s  [as it is].")
@click.option("--skip-bad", is_flag=True, help="Leave out channels that cannot be scanned.")
@click.option("--user", default=_login, show_default="your login", help="Who does this.")
@click.option("--dry-run", is_flag=True, help="Say what would be done and how long it takes, and do nothing.")
@click.option("--wait/--no-wait", default=True, show_default=True, help="Wait for the end.")
@_as_json
@pass_site
def iv(site: Site, channels: tuple[str, ...], user: str, *, dry_run: bool, wait: bool, as_json: bool, **wanted: Any) -> None:
    """Scan channels: name them, or give patterns such as 'PADME:PVETO:HV13:*'."""
    request = _request(channels, user, wanted)
    if dry_run:
        _dry_run(site, request, as_json=as_json)
        return
    client = _client(site)
    reply = client.request(request)
    if not wait:
        click.echo(json.dumps(reply) if as_json else f"scan {reply['uid']} runs, about {reply['seconds']:.0f} s")
        return
    answer = _watch(client, reply["uid"], quiet=as_json)
    from analysis.scan.reporting import summary

    if as_json:
        click.echo(json.dumps(answer, indent=2))
    else:
        click.echo(summary(answer))
    if answer["outcome"] != "completed":
        raise ServiceError(f"the scan is {answer['outcome']}: {answer['reason']}")
    if answer["not_restored"]:
        from analysis.scan.reporting import listing

        raise ServiceError(f"not restored: {listing(answer['not_restored'])}")


def _request(channels: tuple[str, ...], user: str, wanted: dict[str, Any]) -> ScanRequest:
    from analysis.scan.request import parse_request

    given = {key: value for key, value in wanted.items() if value is not None}
    return parse_request(json.dumps({"who": user, "channels": channels, **given}))


def _client(site: Site) -> ScannerClient:
    from analysis.scan.client import ScannerClient
    from sipmdcs.channels import open_channels

    return ScannerClient(open_channels(), site.file.prefix)


def _dry_run(site: Site, request: ScanRequest, *, as_json: bool) -> None:
    from analysis.scan.estimate import duration_s
    from analysis.scan.places import places, select
    from analysis.scan.preflight import plan_scan
    from sipmdcs.channels import open_channels

    plan = plan_scan(open_channels(), select(request.channels, places(site)), request)
    rows = [
        {
            "channel": course.place.channel,
            "from_V": course.grid[0],
            "to_V": course.grid[-1],
            "points": len(course.grid),
            "ceiling_uA": course.ceiling_uA,
            "back_to_V": course.held.bias_V,
            "on": course.held.on,
        }
        for course in plan.courses
    ]
    if as_json:
        click.echo(
            json.dumps({"channels": rows, "skipped": dict(plan.skipped), "seconds": round(duration_s(plan), 1)}, indent=2)
        )
        return
    for row in rows:
        then = f"back to {row['back_to_V']:.3f} V" if row["on"] else "off again"
        click.echo(
            f"{row['channel']}  {row['from_V']:.3f} to {row['to_V']:.3f} V  {row['points']} points  "
            f"at most {row['ceiling_uA']:g} uA  then {then}"
        )
    for name, reason in plan.skipped.items():
        click.echo(f"{name}  left out: {reason}")
    click.echo(f"{len(rows)} channels, {plan.points} points, about {duration_s(plan):.0f} s")


def _watch(client: ScannerClient, uid: str, *, quiet: bool) -> dict[str, Any]:
    """Show progress until the scan is over; Ctrl-C asks whether to abort it."""
    from analysis.scan.watch import watch

    while True:
        try:
            return watch(client, uid, quiet=quiet)
        except KeyboardInterrupt:
            if sys.stdin.isatty():
                click.echo(err=True)
                if not click.confirm("Abort the scan and put everything back? (no: go on watching)", default=True, err=True):
                    continue
            _abort_quietly(client)


def _abort_quietly(client: ScannerClient) -> None:
    """Abort; it may be over already."""
    try:
        client.command("ABORT")
    except BadInput as err:
        click.echo(str(err), err=True)


def _steering(name: str, suffix: str, help_: str, done: str) -> click.Command:
    @scan.command(name, help=help_)
    @pass_site
    def command(site: Site) -> None:
        _client(site).command(suffix)
        click.echo(done)

    return command


_steering("pause", "PAUSE", "Stay at the present point.", "paused")
_steering("resume", "RESUME", "Go on after a pause.", "resumed")
_steering("abort", "ABORT", "End the scan, whoever started it, and put everything back.", "aborting")
_steering("acknowledge", "ACKNOWLEDGE", "Give up what cannot be put back.", "acknowledged")


@scan.command(
    epilog=examples(
        "sipmdcs scan status",
        "sipmdcs scan status --json",
    ),
)
@_as_json
@pass_site
def status(site: Site, *, as_json: bool) -> None:
    """Say what the scanner does."""
    found = _client(site).status()
    if as_json:
        click.echo(json.dumps(found.plain(), indent=2))
        return
    row = found.plain()
    click.echo(f"{row['state']}  {row['message']}")
    if row["points"]:
        run = f"  run {row['run']}" if row["run"] else ""
        click.echo(
            f"{row['point']} of {row['points']} points of {len(row['channels'])} channels  {row['remaining_s']:.0f} s left  "
            f"started by {row['started_by']}{run}"
        )
    if row["not_restored"]:
        click.echo(f"{row['not_restored']} not restored")
