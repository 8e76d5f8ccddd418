"""Sub-commands ``alarms`` (the service) and ``alarm`` (asks it)."""

from __future__ import annotations

import asyncio
import getpass
import json
import os
import time
from typing import Any

import click

from alarms.client import AlarmClient
from sipmdcs.cli import pass_site
from sipmdcs.command_examples import examples
from sipmdcs.errors import ServiceError
from sipmdcs.site import Site

_COLOURS = {"MINOR": "yellow", "MAJOR": "red", "INVALID": "magenta", "UNDEFINED": "magenta"}


def _login() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container may know no name for its user
        return f"uid {os.getuid()}"


_as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_user = click.option("--user", default=_login, show_default="your login", help="Who does this.")
_comment = click.option("--comment", default="", help="Why; kept in the history.")


@click.command()
@pass_site
def alarms(site: Site) -> None:
    """Run the alarm service."""
    from alarms.service import run_alarms  # loads libca and the web server, which asking it does not need
    from sipmdcs.channels import open_channels

    asyncio.run(run_alarms(site, open_channels()))


@click.group(
    epilog=examples(
        "sipmdcs alarm list",
        "sipmdcs alarm ack PVETO/HV13 --comment noticed",
        "sipmdcs alarm test-page shifter",
    ),
)
def alarm() -> None:
    """Look at alarms and acknowledge them."""


@alarm.command(
    "list",
    epilog=examples(
        "sipmdcs alarm list",
        "sipmdcs alarm list PVETO/HV13 --all --json",
    ),
)
@click.option("--all", "everything", is_flag=True, help="Acknowledged alarms as well.")
@click.argument("path", default="")
@_as_json
@pass_site
def list_alarms(site: Site, *, everything: bool, path: str, as_json: bool) -> None:
    """List alarms nobody has acknowledged, the worst first; below PATH only, if given."""
    client = AlarmClient(site)
    rows = client.get("/active", {"path": path})
    if everything:
        rows += client.get("/acknowledged", {"path": path})
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    for row in rows:
        by = row["acknowledged"]
        said = f"  acknowledged by {by['user']}{': ' if by['comment'] else ''}{by['comment']}" if by else ""
        text = (
            f"{row['pv']}  {row['value']}  {row['message']}  since {_short(row['time'])}  now {row['current_severity']}{said}"
        )
        click.echo(f"{_coloured(row['severity'])} {text}")
    if not rows:
        click.echo("no alarms" if everything else "no alarms that nobody has acknowledged")


@alarm.command(
    epilog=examples(
        "sipmdcs alarm tree",
        "sipmdcs alarm tree PVETO --leaves",
    ),
)
@click.option("--leaves", is_flag=True, help="Every PV as well.")
@click.argument("path", default="")
@_as_json
@pass_site
def tree(site: Site, *, leaves: bool, path: str, as_json: bool) -> None:
    """Show the alarm tree with the worst level of each node."""
    answer = AlarmClient(site).get("/tree", {"path": path})
    if as_json:
        click.echo(json.dumps(answer, indent=2))
        return
    by_path: dict[str, list[Any]] = {}
    for leaf in answer["leaves"]:
        by_path.setdefault(leaf["path"], []).append(leaf)
    for node in answer["nodes"]:
        depth = 0 if node["path"] == "/" else node["path"].count("/") + 1
        name = site.file.name if node["path"] == "/" else node["path"].rpartition("/")[2]
        counts = f"  {node['unacknowledged']} of {node['alarms']} not acknowledged" if node["alarms"] else ""
        click.echo(f"{'  ' * depth}{name}  {_coloured(node['severity'], 0)}{counts}")
        for leaf in by_path.get(node["path"], []) if leaves else []:
            off = "" if leaf["enabled"] else "  disabled"
            click.echo(f"{'  ' * (depth + 1)}{leaf['pv']}  {_coloured(leaf['severity'], 0)}{off}")


@alarm.command(
    epilog=examples(
        'sipmdcs alarm ack PADME:PVETO:HV13:CH01:CURRENT_RBV --comment "light leak, access at noon"',
        "sipmdcs alarm ack PVETO/HV13",
        "sipmdcs alarm ack '*:CH01:TEMP_RBV'",
    ),
)
@click.argument("what", nargs=-1, required=True, metavar="PATH|PV|GLOB...")
@_comment
@_user
@pass_site
def ack(site: Site, what: tuple[str, ...], comment: str, user: str) -> None:
    """Acknowledge alarms: a path and all below it, a PV, or a pattern of either."""
    _act(site, "/acknowledge", "acknowledged", what, comment, user)


@alarm.command(
    epilog=examples(
        'sipmdcs alarm unack PVETO/HV13 --comment "it came back"',
    ),
)
@click.argument("what", nargs=-1, required=True, metavar="PATH|PV|GLOB...")
@_comment
@_user
@pass_site
def unack(site: Site, what: tuple[str, ...], comment: str, user: str) -> None:
    """Take acknowledgements back."""
    _act(site, "/unacknowledge", "un-acknowledged", what, comment, user)


@alarm.command(
    epilog=examples(
        "sipmdcs alarm history --limit 10",
        "sipmdcs alarm history PVETO/HV13 --since 2026-11-21T10:00:00Z --json",
    ),
)
@click.argument("what", default="")
@click.option("--since", default="", help="From this time on, such as 2026-11-21T10:00:00Z.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 10_000), help="At most so many.")
@_as_json
@pass_site
def history(site: Site, *, what: str, since: str, limit: int, as_json: bool) -> None:
    """Show changes of alarms, newest first; of a PV or below a path, if given."""
    query = {"of": what, "since": since, "limit": str(limit)}
    rows = AlarmClient(site).get("/history", query)
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    for row in rows:
        by = f"  by {row['user']}{': ' if row['comment'] else ''}{row['comment']}" if row["user"] else ""
        step = f"{row['previous']} -> {row['severity']}"
        click.echo(f"{_short(row['time'])}  {row['event']:13}  {row['pv']}  {step}  {row['value']}  {row['message']}{by}")


@alarm.command(
    epilog=examples(
        "sipmdcs alarm pages --limit 10",
        "sipmdcs alarm pages --dead",
    ),
)
@click.option("--dead", is_flag=True, help="Only those that can never be delivered.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 10_000), help="Look at the newest so many.")
@_as_json
@pass_site
def pages(site: Site, *, dead: bool, limit: int, as_json: bool) -> None:
    """Show pages, newest first: to whom, and what became of them."""
    rows = [row for row in AlarmClient(site).get("/pages", {"limit": str(limit)}) if row["dead"] or not dead]
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    for row in rows:
        click.echo(f"{_short(row['composed'])}  {row['receiver']}  {row['subject']}  {_fate(row)}")
    if not rows:
        click.echo("no dead letters" if dead else "no pages")


@alarm.command(
    "test-page",
    epilog=examples(
        "sipmdcs alarm test-page shifter",
    ),
)
@click.argument("receiver")
@click.option("--timeout", default=30.0, show_default=True, help="Seconds to wait for the mail server.")
@_user
@pass_site
def test_page(site: Site, receiver: str, timeout: float, user: str) -> None:
    """Send a test page to RECEIVER and wait until its mail server has accepted it."""
    client = AlarmClient(site)
    number = client.post("/test-page", {"receiver": receiver, "user": user})["notice"]
    end = time.monotonic() + timeout
    reason = "it is still waiting"
    while time.monotonic() < end:
        page = client.get(f"/notice/{number}")["page"]
        if page is not None and page["sent"]:
            click.echo(f"accepted for {page['address']}: {page['reply']}")
            return
        if page is not None and page["dead"]:
            raise ServiceError(f"the test page to {receiver} can never be delivered: {page['last_error']}")
        trouble = _trouble(client, receiver) if page is None else page["last_error"]
        if trouble not in ("", reason):
            reason = trouble
            click.echo(f"not accepted yet, and tried again: {reason}", err=True)
        time.sleep(0.2)
    raise ServiceError(f"the test page to {receiver} is not accepted after {timeout:g} s: {reason}")


def _trouble(client: AlarmClient, receiver: str) -> str:
    """Why mails to a receiver wait, behind which another one is not even written; empty if none does."""
    rows = client.get("/pages", {"limit": "100"})
    waiting = (row for row in rows if row["receiver"] == receiver and not (row["sent"] or row["dead"] or row["cancelled"]))
    return next((row["last_error"] for row in waiting if row["last_error"]), "")


def _fate(page: dict[str, Any]) -> str:
    """What became of a page."""
    if page["sent"]:
        return f"accepted at {_short(page['sent'])}: {page['reply']}"
    if page["dead"]:
        return f"dead letter: {page['last_error']}"
    if page["cancelled"]:
        return "settled before it was sent"
    return f"waits after {page['attempts']} attempts: {page['last_error']}" if page["attempts"] else "waits"


def _act(site: Site, endpoint: str, done: str, what: tuple[str, ...], comment: str, user: str) -> None:
    body = {"select": list(what), "user": user, "comment": comment}
    changed = AlarmClient(site).post(endpoint, body)["changed"]
    for row in changed:
        click.echo(f"{_coloured(row['severity'])} {row['pv']}")
    click.echo(f"{len(changed)} {done}")


def _coloured(severity: str, width: int = 13) -> str:
    """A level in its colour, padded."""
    kind, _, acknowledged = severity.partition("_")
    return click.style(f"{severity:{width}}", fg=_COLOURS.get(kind, "green"), bold=not acknowledged and kind in _COLOURS)


def _short(time_text: str) -> str:
    """ISO time to the second."""
    return f"{time_text[:19]}Z"
