"""The questions of the windows, on a terminal."""

from __future__ import annotations

import click

from logbook.downtime.desk import Answer, Desk
from logbook.downtime.listing import console, print_event, print_records
from logbook.downtime.record import Record, Value, iso
from logbook.downtime.rules import check_category
from logbook.downtime.selection import Selection
from logbook.downtime.store import Conflict
from sipmdcs.errors import BadInput, DcsError

_SHOWN = 20


def explain(desk: Desk, record: Record, user: str) -> None:
    """Ask why a detector is down, and store it; an empty category, or no answer at all, leaves it for later."""
    click.echo("Why? An empty category leaves it for later.")
    asked: Record | None = record
    try:
        while asked is not None and (category := _category(desk, "")):
            asked = _explained(desk, asked, category, user)
    except click.Abort:  # end of input or Ctrl-C: the record is stored all the same
        click.echo()
    if asked is not None:
        desk.log.info("left-for-later", event=record.id)
        click.echo("left for later; sipmdcs downtime asks again")


def _explained(desk: Desk, record: Record, category: str, user: str) -> Record | None:
    """Ask the rest and store it; if that is refused, the record to ask about again."""
    description = click.prompt("Description", default="", show_default=False)
    name = click.prompt("Your name", default=user)
    try:
        tell(desk.edit(record, {"category": category, "description": description, "user": name}, name))
    except Conflict as err:
        click.echo(str(err), err=True)
        return desk.again(record)  # whoever answers once more knows what they replace
    except BadInput as err:
        click.echo(str(err), err=True)
        return record
    return None


def manual(desk: Desk, user: str) -> None:
    """List, show, edit and make entries until the user has enough."""
    click.echo("Event number: see and edit it.  n: new entry.  l: list again.  q: quit.")
    _list(desk)
    while (answer := _prompted()) != "q":
        try:
            if answer == "n":
                _new(desk, user)
            elif answer == "l":
                _list(desk)
            elif answer.isascii() and answer.isdigit() and len(answer) < 10:
                _change(desk, int(answer), user)
            else:
                click.echo(f"{answer!r}: expected an event number, n, l or q")
        except DcsError as err:
            click.echo(str(err), err=True)
        except click.Abort:
            click.echo("\nnothing was stored")


def _prompted() -> str:
    try:
        return click.prompt("Downtime", default="q").strip().lower()
    except click.Abort:
        click.echo()
        return "q"


def tell(answer: Answer) -> None:
    """Say what became of a request."""
    click.echo(answer.text)


def _list(desk: Desk) -> None:
    print_records(console(), desk.select(Selection(limit=_SHOWN)), desk.file.columns, desk.now())


def _new(desk: Desk, user: str) -> None:
    names = list(desk.file.detectors)
    values: dict[str, Value] = {
        "detector": click.prompt("Detector", type=click.Choice(names), default=names[0]),
        "started_at": desk.moment(click.prompt("From", default=iso(desk.now()))),
    }
    end = click.prompt("To (empty: still down)", default="", show_default=False)
    values["ended_at"] = desk.moment(end) if end else None
    values["category"] = _category(desk, "") or None
    values["description"] = click.prompt("Description", default="", show_default=False)
    values["user"] = click.prompt("Your name", default=user)
    tell(desk.new(values))


def _change(desk: Desk, number: int, user: str) -> None:
    record = desk.event(number)
    print_event(console(), record, desk.history(record), desk.now())
    category = _category(desk, record.category)
    description = click.prompt("Description", default=record.description, show_default=bool(record.description))
    name = click.prompt("Your name", default=user)
    tell(desk.edit(record, {"category": category, "description": description, "user": name}, name))


def _category(desk: Desk, present: str) -> str:
    offered = [category.name for category in desk.file.offered]
    click.echo("  ".join(f"{number} {name}" for number, name in enumerate(offered, 1)))
    while True:
        text = click.prompt("Category, name or number", default=present, show_default=bool(present)).strip()
        if text.isascii() and text.isdigit() and 0 < int(text[:4]) <= len(offered):
            return offered[int(text[:4]) - 1]
        if text == present:
            return text
        try:
            check_category(text, desk.file)
        except BadInput as err:
            click.echo(str(err), err=True)
            continue
        return text
