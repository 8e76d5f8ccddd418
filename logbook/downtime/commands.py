"""The command ``downtime``."""

from __future__ import annotations

import json
import os
import re
import socket
from dataclasses import replace
from datetime import timedelta
from typing import Any

import click

from logbook.downtime import listing, terminal
from logbook.downtime.call import LONGEST_MESSAGE, Call, Mode, classify, shortened
from logbook.downtime.desk import Answer, Desk, as_data
from logbook.downtime.detector import detector_of
from logbook.downtime.display import has_terminal, why_no_window
from logbook.downtime.journal import entries_refused
from logbook.downtime.options import Options, downtime_options, login
from logbook.downtime.record import Record
from logbook.downtime.statistics import Interval
from sipmdcs.cli import pass_site
from sipmdcs.command_examples import examples
from sipmdcs.errors import BadInput, DcsError, ServiceError
from sipmdcs.site import Site

_SUMMARY_DAYS = 7


class AnyArgument(click.Command):
    """Takes ``-1`` and the like for an argument: it looks like no option."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        lone = len(args) == 1 and re.match("-[^-A-Za-z]", args[0])
        return super().parse_args(ctx, ["--", *args] if lone else args)


@click.command(
    cls=AnyArgument,
    epilog=examples(
        "sipmdcs downtime 'Partition 1 transitioned from Running to Stopped, Last Run/Subrun/Time 12 3 2026-11-21T10:00:00Z'",
        "sipmdcs downtime 0 --no-popup    # a stop; sipmdcs downtime 2 is a start",
        "sipmdcs downtime --list --undecided --since 8h",
        'sipmdcs downtime --edit 1 --category "High voltage" --description "HV13 tripped"',
        "sipmdcs downtime --summary --json",
    ),
)
@click.argument("argument", nargs=-1)
@downtime_options
@pass_site
def downtime(site: Site, argument: tuple[str, ...], **options: Any) -> None:
    """Log when the detector does not take data, and why.

    ARGUMENT is a message of the data acquisition that a run has stopped, or 0: the downtime is stored with an open end, then
    a window asks why. A message that a run has started, or 2: its end is stored. Anything else, or nothing: a window to list,
    edit and make entries.
    """
    given = Options(**options)
    action = given.action()
    text = " ".join(argument)
    if action and text:
        raise click.UsageError(f"{action} takes no argument, got {shortened(text)}")
    with Desk(site) as desk:
        desk.log.info("called", argument=text[:LONGEST_MESSAGE], action=action, host=socket.gethostname(), user=login())
        try:
            _act(desk, text, given) if not action else _ACTIONS[action](desk, given)
        except DcsError as err:
            desk.log.failure("failed", error=str(err))
            raise
        desk.log.info("done")


def _act(desk: Desk, text: str, given: Options) -> None:
    call = classify(text, desk.file, desk.now())
    desk.log.info(
        "classified", mode=call.mode.value, partition=call.partition, run=call.run, subrun=call.subrun, time=call.time
    )
    if call.problem:
        raise BadInput(f"{call.problem}; nothing was stored")
    if call.mode == Mode.MANUAL:
        _manual(desk, text, given)
        return
    detector = detector_of(desk.file, socket.gethostname(), call.partition, given.detector)
    if call.mode == Mode.AUTOMATIC:
        _tell(desk, desk.start(call, detector), given)
    else:
        _stop(desk, call, detector, given)


def _stop(desk: Desk, call: Call, detector: str, given: Options) -> None:
    answer = desk.stop(call, detector)
    _tell(desk, answer, given)
    if not given.popup or answer.record is None:
        return
    reason = "asked for the terminal" if given.terminal else why_no_window(os.environ)
    if not reason:
        from logbook.windows.popup import ask_why  # loads Qt

        ask_why(desk, answer.record, given.user or login())
    elif has_terminal():
        desk.log.info("asked-on-terminal", event=answer.record.id, reason=reason)
        terminal.explain(desk, answer.record, given.user or login())
    else:
        desk.log.info("not-asked", event=answer.record.id, reason=f"{reason}, and no terminal")
        click.echo(f"{reason} and no terminal, so nobody is asked why: run sipmdcs downtime later", err=True)


def _manual(desk: Desk, text: str, given: Options) -> None:
    _store_what_waits(desk)
    reason = "asked for the terminal" if given.terminal else why_no_window(os.environ)
    if not reason:
        from logbook.windows.manual import open_window  # loads Qt

        open_window(desk, given.user or login())
    elif has_terminal():
        terminal.manual(desk, given.user or login())
    else:
        said = f"{shortened(text)} is no message of a stop or start, and manual entries" if text else "manual entries"
        raise BadInput(f"{said} need a display or a terminal; scripts use --list, --show, --new and --edit")


def _tell(desk: Desk, answer: Answer, given: Options) -> None:
    if answer.repeated:
        raise BadInput(f"{answer.text}; nothing was stored")
    if given.as_json:
        record = None if answer.record is None else as_data(answer.record)
        click.echo(json.dumps({"text": answer.text, "waiting": answer.waiting, "downtime": record}, indent=2))
    else:
        click.echo(answer.text)
    if refused := entries_refused(desk.journal.spool):
        click.echo(f"{refused} entries of earlier calls cannot be stored, see {desk.journal.spool.refused}", err=True)


def _store_what_waits(desk: Desk) -> None:
    """Before a list: if it fails, the list may still do."""
    if not len(desk.journal.spool):
        return
    try:
        desk.journal.flush()
    except ServiceError as err:
        click.echo(f"{len(desk.journal.spool)} entries wait for the database: {err}", err=True)


def _list(desk: Desk, given: Options) -> None:
    _store_what_waits(desk)
    records = desk.select(given.selection(desk))
    now = desk.now()
    if given.as_json:
        click.echo(listing.as_json(records, now))
    elif given.as_csv:
        click.echo(listing.as_csv(records, now))
    elif records:
        listing.print_records(listing.console(), records, desk.file.columns, now)
    else:
        click.echo("no downtimes")


def _show(desk: Desk, given: Options) -> None:
    _store_what_waits(desk)
    record = desk.event(given.show or 0)
    history = desk.history(record)
    if given.as_json:
        click.echo(listing.event_json(record, history, desk.now()))
    else:
        listing.print_event(listing.console(), record, history, desk.now())


def _new(desk: Desk, given: Options) -> None:
    values = given.values(desk)
    if "detector" not in values:
        values["detector"] = detector_of(desk.file, socket.gethostname(), "")
    if values.get("category") and "user" not in values:
        values["user"] = given.author
    _tell(desk, desk.new(values), given)


def _edit(desk: Desk, given: Options) -> None:
    values = given.values(desk)
    if not values:
        raise click.UsageError("--edit needs something to change, such as --category")
    _store_what_waits(desk)
    record = desk.event(given.edit or 0)
    if "category" in values and "user" not in values and not record.user:
        values["user"] = given.author
    _tell(desk, desk.edit(_as_seen(record, given.revision), values, given.author), given)


def _as_seen(record: Record, revision: int | None) -> Record:
    if revision is None or revision == record.revision:
        return record
    if not 0 < revision < record.revision:
        raise BadInput(f"{record.name} has no revision {revision}, it is at {record.revision}")
    return replace(record, revision=revision)


def _summary(desk: Desk, given: Options) -> None:
    _store_what_waits(desk)
    now = desk.now()
    cuts = given.selection(desk)
    until = cuts.until or now
    since = cuts.since or until - timedelta(days=_SUMMARY_DAYS)
    if until <= since:
        raise BadInput("--until is not after --since")
    records = desk.select(replace(cuts, since=since, until=until))
    window = Interval(since, until)
    if given.as_json:
        click.echo(listing.summary_json(records, window, now))
    else:
        listing.print_summary(listing.console(), records, window, now)


def _flush(desk: Desk, _given: Options) -> None:
    count = desk.journal.flush()
    click.echo(f"{count} stored" if count else "nothing waits")
    if refused := entries_refused(desk.journal.spool):
        raise BadInput(f"{refused} entries cannot be stored, see {desk.journal.spool.refused}")


_ACTIONS = {"--list": _list, "--show": _show, "--new": _new, "--edit": _edit, "--summary": _summary, "--flush": _flush}
