"""Sub-commands ``logbook`` (the service) and ``run`` (opens, closes and shows runs)."""

from __future__ import annotations

import asyncio
import getpass
import json
import os
import uuid
from collections.abc import Callable
from typing import Any

import click

from logbook.control import Control, control_of
from logbook.downtime.moment import parse_cut
from logbook.logbookfile import read_logbook_file
from logbook.refusals import Conflict
from logbook.run import iso
from logbook.run_state import Command
from logbook.run_text import line, page
from logbook.table_command import table
from sipmdcs.cli import pass_site
from sipmdcs.clock import SystemClock, to_datetime
from sipmdcs.command_examples import examples
from sipmdcs.errors import BadInput
from sipmdcs.http.body import parse_json
from sipmdcs.site import Site


def _login() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container may know no name for its user
        return f"uid {os.getuid()}"


def _time(_context: click.Context, option: click.Parameter, text: str | None) -> str | None:
    """UTC in ISO 8601, of whatever people write for a time."""
    try:
        return iso(parse_cut(text, to_datetime(SystemClock().time_ns()))) if text else None
    except ValueError as err:
        raise BadInput(str(err), key=option.opts[0]) from err


_as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_who = click.option("--user", "who", default=_login, show_default="your login", help="Who does this.")
_partition = click.option("--partition", help="What takes data together [the first in logbook.yaml].")
_number = click.argument("number", type=click.IntRange(1, 2**31 - 1), required=False)


@click.command()
@pass_site
def logbook(site: Site) -> None:
    """Run the logbook service."""
    from logbook.service import run_logbook  # loads the web server, which other commands do not need

    asyncio.run(run_logbook(site))


@click.group(
    epilog=examples(
        "sipmdcs run start --type physics",
        "sipmdcs run end --events 120000",
        "sipmdcs run table runs 10 20 --csv runs.csv",
    ),
)
def run() -> None:
    """Open, close and look at runs."""


run.add_command(table)


def _opening_options(command: Callable[..., None]) -> Callable[..., None]:
    for option in (
        click.option("--facts", default="{}", metavar="JSON", help="What else is to be kept, as a JSON object."),
        click.option("--key", help="Request key: the same key again finds the same run."),
        click.option("--replace", is_flag=True, help="Abort the run that is open in the partition."),
        click.option("--type", "kind", help="Type of the run [the first in logbook.yaml]."),
    ):
        command = option(command)
    return command


@run.command(
    "open",
    epilog=examples(
        "sipmdcs run open --type physics",
        'sipmdcs run open --key daq-4711 --facts \'{"beam": "450 MeV"}\' --json',
    ),
)
@_opening_options
@_partition
@_who
@_as_json
@pass_site
def open_run(site: Site, *, as_json: bool, **options: Any) -> None:
    """Open a run, which does not take data yet."""
    control = control_of(site)
    _tell(control, _opened(site, control, **options), as_json)


@run.command(
    epilog=examples(
        "sipmdcs run start --type physics",
        "sipmdcs run start 17",
    ),
)
@_number
@_opening_options
@_partition
@_who
@_as_json
@pass_site
def start(site: Site, *, number: int | None, partition: str | None, who: str, as_json: bool, **options: Any) -> None:
    """Start the run that is open, or NUMBER; if none is open, open one and start it."""
    control = control_of(site)
    if number is None:
        going = _going(site, control, partition)
        if going is None or options["key"] or options["replace"]:
            going = _opened(site, control, partition=partition, who=who, **options)
        number = int(going["number"])
    _tell(control, control.move(number, Command.START, {"who": who}), as_json)


def _mover(command: Command, text: str, *lines: str) -> None:
    """Add the sub-command of one command."""

    @run.command(str(command), help=text, epilog=examples(*lines))
    @_number
    @_partition
    @click.option("--reason", default="", help="Why; kept with the run.")
    @click.option("--events", type=click.IntRange(0, 2**63 - 1), help="Events so far.")
    @_who
    @_as_json
    @pass_site
    def move(
        site: Site, *, number: int | None, partition: str | None, reason: str, events: int | None, who: str, as_json: bool
    ) -> None:
        control = control_of(site)
        if number is None:
            number = int(_newest(site, control, partition)["number"])
        body = {"who": who, "reason": reason} | ({} if events is None else {"events": events})
        _tell(control, control.move(number, command, body), as_json)


_mover(Command.PAUSE, "Pause the run that is open, or NUMBER.", 'sipmdcs run pause --reason "access"')
_mover(Command.RESUME, "Resume the run that is open, or NUMBER.", "sipmdcs run resume")
_mover(Command.END, "End the run that is open, or NUMBER.", "sipmdcs run end --events 120000", "sipmdcs run end 17 --json")
_mover(
    Command.ABORT, "End the run that is open, or NUMBER, as a bad one.", 'sipmdcs run abort --reason "beam lost after a minute"'
)


@run.command(
    "list",
    epilog=examples(
        "sipmdcs run list",
        "sipmdcs run list 10 20 --type physics --json",
        "sipmdcs run list --open",
    ),
)
@click.argument("first", type=click.IntRange(0, 2**31 - 1), required=False)
@click.argument("last", type=click.IntRange(0, 2**31 - 1), required=False)
@click.option("--partition", help="Of this partition only.")
@click.option("--type", help="Of this type only.")
@click.option("--state", help="In this state only.")
@click.option("--open", is_flag=True, help="Those that go on only.")
@click.option(
    "--since", callback=_time, help="Not ended before this time, such as 2026-11-21T10:00:00Z, 2026-11-21, or 8h ago."
)
@click.option("--until", callback=_time, help="Opened before this time.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=20, show_default=True, help="At most so many.")
@_as_json
@pass_site
def list_runs(site: Site, *, as_json: bool, **filters: Any) -> None:
    """List runs, the newest first; FIRST to LAST only, if given."""
    given = {name: "true" if value is True else str(value) for name, value in filters.items() if value not in (None, False, "")}
    rows = control_of(site).runs(given)
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    for row in rows:
        click.echo(line(row))
    if not rows:
        click.echo("no runs")


@run.command(
    epilog=examples(
        "sipmdcs run show",
        "sipmdcs run show 17 --json",
    ),
)
@_number
@_partition
@_as_json
@pass_site
def show(site: Site, *, number: int | None, partition: str | None, as_json: bool) -> None:
    """Show everything about a run: the open one, else the newest, or NUMBER."""
    control = control_of(site)
    if number is None:
        number = int(_newest(site, control, partition)["number"])
    found = control.run(number)
    click.echo(json.dumps(found, indent=2) if as_json else "\n".join(page(found)))


@run.command(
    epilog=examples(
        'sipmdcs run note 17 "HV13 was ramping"',
        "sipmdcs run note 17 good --field quality",
    ),
)
@click.argument("number", type=click.IntRange(1, 2**31 - 1))
@click.argument("value", metavar="TEXT")
@click.option("--field", default="comment", show_default=True, help="What it says something of: comment, quality, shifter, …")
@_who
@_as_json
@pass_site
def note(site: Site, *, number: int, value: str, field: str, who: str, as_json: bool) -> None:
    """Say something of run NUMBER. The newest TEXT of a field counts, the others stay as its history."""
    control = control_of(site)
    found = control.note(number, {"field": field, "value": value, "who": who})
    if as_json:
        click.echo(json.dumps(found, indent=2))
    else:
        click.echo(f"run {number}: {field} is noted{_where(control)}")


@run.command(
    epilog=examples(
        "sipmdcs run summarise 17",
        "sipmdcs run summarise 17 18 19",
    ),
)
@click.argument("numbers", metavar="NUMBER...", type=click.IntRange(1, 2**31 - 1), nargs=-1, required=True)
@_who
@pass_site
def summarise(site: Site, *, numbers: tuple[int, ...], who: str) -> None:
    """Summarise the slow control of runs again, after the archiver was away for too long or more PVs were chosen."""
    control = control_of(site)
    for number in numbers:
        control.summarise(number, {"who": who})
        click.echo(f"run {number}: the logbook service makes its summary")


def _partition_of(site: Site, partition: str | None) -> str:
    return partition or read_logbook_file(site).partitions[0]


def _going(site: Site, control: Control, partition: str | None) -> Any | None:
    found = control.runs({"partition": _partition_of(site, partition), "open": "true"})
    return found[0] if found else None


def _newest(site: Site, control: Control, partition: str | None) -> Any:
    """The open run of a partition, else its newest one."""
    going = _going(site, control, partition)
    if going is not None:
        return going
    name = _partition_of(site, partition)
    found = control.runs({"partition": name, "limit": "1"})
    if not found:
        raise Conflict(f"partition {name} has no run yet")
    return found[0]


def _opened(
    site: Site,
    control: Control,
    *,
    kind: str | None,
    partition: str | None,
    key: str | None,
    who: str,
    replace: bool,
    facts: str,
) -> Any:
    try:
        given = parse_json(os.fsencode(facts))
    except BadInput as err:
        raise BadInput(str(err).removeprefix("body is "), key="--facts") from err
    return control.open(
        {
            "request_key": key or f"command-{uuid.uuid4()}",
            "partition": _partition_of(site, partition),
            "type": kind or read_logbook_file(site).types[0],
            "who": who,
            "facts": given,
            "replace": replace,
        }
    )


def _tell(control: Control, found: Any, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(found, indent=2))
        return
    click.echo(f"run {found['number']} of partition {found['partition']} is {found['state']}{_where(control)}")


def _where(control: Control) -> str:
    return "" if control.stored() else "; the database is away: it is kept on this disk until then"
