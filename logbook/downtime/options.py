"""Options of ``sipmdcs downtime``: what to do, cuts of a list, values of an entry."""

from __future__ import annotations

import getpass
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import click

from logbook.downtime.desk import Desk
from logbook.downtime.record import Value
from logbook.downtime.rules import check_run
from logbook.downtime.selection import Selection
from sipmdcs.errors import BadInput

Command = TypeVar("Command", bound=Callable[..., Any])


def login() -> str:
    """Name of the user at this machine."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container may know no name for its user
        return f"uid {os.getuid()}"


@dataclass(frozen=True, slots=True)
class Options:
    """Everything but the argument."""

    list_events: bool
    show: int | None
    new: bool
    edit: int | None
    summary: bool
    flush: bool
    popup: bool
    terminal: bool
    detector: str
    category: tuple[str, ...]
    run: str | None
    subrun: int | None
    since: str
    until: str
    only_open: bool
    only_undecided: bool
    text: str
    limit: int | None
    start: str | None
    end: str | None
    description: str | None
    user: str | None
    author: str
    revision: int | None
    as_json: bool
    as_csv: bool

    def action(self) -> str:
        """Which of the actions; empty for none, when the argument decides.

        Raises:
            click.UsageError: more than one.
        """
        wanted = {
            "--list": self.list_events,
            "--show": self.show is not None,
            "--new": self.new,
            "--edit": self.edit is not None,
            "--summary": self.summary,
            "--flush": self.flush,
        }
        named = [name for name, is_wanted in wanted.items() if is_wanted]
        if len(named) > 1:
            raise click.UsageError(f"{' and '.join(named)} do not go together")
        return named[0] if named else ""

    def selection(self, desk: Desk) -> Selection:
        """The cuts.

        Raises:
            BadInput: a time or a range of runs that is none.
        """
        for text in (self.detector, *self.category, self.text):
            if not text.isprintable():
                raise BadInput(f"{text[:30]!r} is no text of printable characters")
        first, last = _runs(self.run) if self.run else (None, None)
        return Selection(
            since=desk.moment(self.since) if self.since else None,
            until=desk.moment(self.until) if self.until else None,
            detector=self.detector,
            categories=self.category,
            first_run=first,
            last_run=last,
            only_open=self.only_open,
            only_undecided=self.only_undecided,
            text=self.text,
            limit=self.limit,
        )

    def values(self, desk: Desk) -> dict[str, Value]:
        """The fields that were given; ``--end ''`` is an open end, ``--run ''`` no run.

        Raises:
            BadInput: a time or a run that is none.
        """
        if len(self.category) > 1:
            raise click.UsageError("an entry has one --category")
        values: dict[str, Value] = {}
        if self.detector:
            values["detector"] = self.detector
        if self.category:
            values["category"] = self.category[0]
        if self.run is not None:
            values["run"] = _number(self.run) if self.run else None
        if self.subrun is not None:
            values["subrun"] = self.subrun
        if self.start is not None:
            values["started_at"] = desk.moment(self.start)
        if self.end is not None:
            values["ended_at"] = desk.moment(self.end) if self.end else None
        if self.description is not None:
            values["description"] = self.description
        if self.user is not None:
            values["user"] = self.user
        return values


def _number(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,10}", text):
        raise BadInput(f"run {text[:30]!r} is not a number")
    check_run("run", int(text))
    return int(text)


def _runs(text: str) -> tuple[int | None, int | None]:
    """``12``, ``12-20``, ``12-`` or ``-20``."""
    first, dash, last = text.strip().partition("-")
    if not dash:
        return _number(first), _number(first)
    if not first and not last:
        raise BadInput(f"run range {text!r}, expected such as 12, 12-20, 12- or -20")
    return _number(first) if first else None, _number(last) if last else None


def run_range(text: str) -> tuple[int | None, int | None]:
    """First and last run of ``12``, ``12-20``, ``12-`` or ``-20``; both None for an empty text.

    Raises:
        BadInput: it is none of these.
    """
    return _runs(text) if text.strip() else (None, None)


_NUMBER = click.IntRange(0, 2**31 - 1)
_OPTIONS = (
    click.option("--no-popup", "popup", is_flag=True, flag_value=False, default=True, help="Store, do not ask why."),
    click.option("--terminal", is_flag=True, help="Ask on the terminal, also where there is a display."),
    click.option("--list", "list_events", is_flag=True, help="List downtimes, the unexplained first, then the newest."),
    click.option("--show", type=_NUMBER, metavar="ID", help="Show one downtime with every change of it."),
    click.option("--new", is_flag=True, help="Make an entry from the options below."),
    click.option("--edit", type=_NUMBER, metavar="ID", help="Change the fields given by the options below."),
    click.option("--summary", is_flag=True, help="Down time by category; with the cuts of --list, the last 7 days by default."),
    click.option("--flush", is_flag=True, help="Store what waits since the database was away."),
    click.option("--detector", default="", help="Which; for stops and starts instead of what downtime.yaml says of this host."),
    click.option("--category", multiple=True, help="One of downtime.yaml, or UNDECIDED; may be repeated as a cut."),
    click.option("--run", help="Run; as a cut also a range such as 12-20, 12- or -20."),
    click.option("--subrun", type=_NUMBER, help="Subrun of an entry."),
    click.option("--since", default="", help="Cut: still going on then; a time, a date, or 30min, 8h, 7d ago."),
    click.option("--until", default="", help="Cut: begun before then."),
    click.option("--open", "only_open", is_flag=True, help="Cut: still going on."),
    click.option("--undecided", "only_undecided", is_flag=True, help="Cut: nobody has said why."),
    click.option("--text", default="", help="Cut: in description, user or category."),
    click.option("--limit", type=click.IntRange(1, 1_000_000), help="Cut: at most so many."),
    click.option("--start", help="Begin of an entry."),
    click.option("--end", help="End of an entry; empty for an open one."),
    click.option("--description", help="Of an entry."),
    click.option("--user", help="Who explains an entry."),
    click.option("--author", default=login, show_default="your login", help="Who to put on record for a change."),
    click.option("--revision", type=_NUMBER, help="With --edit: the revision you saw; refused if somebody changed it since."),
    click.option("--json", "as_json", is_flag=True, help="Print JSON."),
    click.option("--csv", "as_csv", is_flag=True, help="With --list: print CSV."),
)


def downtime_options(command: Command) -> Command:
    """All of them, in this order."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command
