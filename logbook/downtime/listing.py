"""Downtimes on a terminal: tables, CSV, JSON, one with its history, and the sums for a Pareto plot."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from logbook.downtime.desk import as_data
from logbook.downtime.record import Record, Step, duration_text, iso
from logbook.downtime.statistics import Interval, cumulated, down_s, pareto

TITLES = {
    "id": "event",
    "detector": "detector",
    "run": "run",
    "subrun": "subrun",
    "started_at": "from (UTC)",
    "ended_at": "to (UTC)",
    "duration": "duration",
    "category": "category",
    "description": "description",
    "user": "explained by",
    "source": "source",
    "created_at": "entered (UTC)",
}
"""What a column is called."""


_WIDE = 200
_ROOM = 120
"""Characters that a table with the usual columns needs."""
_FIXED = ("id", "run", "subrun", "started_at", "ended_at", "duration", "created_at")
"""Columns that are not worth wrapping."""


def console() -> Console:
    """Standard output; as wide as a long line where it is no terminal."""
    found = Console()
    return found if found.is_terminal else Console(width=_WIDE)


def cell(record: Record, column: str, now: datetime) -> str:
    """One field as people read it: times to the second, an open end as ``open``."""
    if column == "duration":
        return duration_text(record.duration_s(now))
    value = getattr(record, column)
    if column == "ended_at" and value is None:
        return "open"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}"
    return "" if value is None else str(value)


def as_json(records: Sequence[Record], now: datetime) -> str:
    """A list of objects with every field, and ``duration_s``."""
    return json.dumps([as_data(record) | {"duration_s": record.duration_s(now)} for record in records], indent=2)


def as_csv(records: Sequence[Record], now: datetime) -> str:
    """Every field and ``duration_s``, with a line of names; an open end is empty."""
    text = io.StringIO()
    names = [*Record.__dataclass_fields__, "duration_s"]
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(as_data(record) | {"duration_s": record.duration_s(now)} for record in records)
    return text.getvalue().rstrip("\n")


def print_records(to: Console, records: Sequence[Record], columns: Sequence[str], now: datetime) -> None:
    """A table, or lines that wrap where there is no room for one; what goes on in red, what nobody has explained in yellow."""
    styles = ["red" if record.is_open else "yellow" if record.is_unexplained else "" for record in records]
    if to.width < _ROOM:
        for record, style in zip(records, styles, strict=True):
            cells = [text for column in columns if (text := cell(record, column, now))]
            to.print(escape("  ".join(cells)), style=style, soft_wrap=True, highlight=False)
        return
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        side = "right" if column in ("id", "run", "subrun", "duration") else "left"
        table.add_column(TITLES[column], justify=side, no_wrap=column in _FIXED, overflow="fold")
    for record, style in zip(records, styles, strict=True):
        table.add_row(*(escape(cell(record, column, now)) for column in columns), style=style)
    to.print(table)


def print_event(console: Console, record: Record, history: Sequence[Step], now: datetime) -> None:
    """Every field of one record, then every change of it."""
    table = Table(show_header=False, box=None, pad_edge=False)
    for column, title in TITLES.items():
        table.add_row(title, escape(cell(record, column, now)))
    console.print(table)
    for step in history:
        console.print(escape(f"{iso(step.at)}  {step.who}  {step.field}: {step.before!r} to {step.after!r}"), soft_wrap=True)


def event_json(record: Record, history: Sequence[Step], now: datetime) -> str:
    """One object, with ``history``."""
    steps = [asdict(step) | {"at": iso(step.at)} for step in history]
    return json.dumps(as_data(record) | {"duration_s": record.duration_s(now), "history": steps}, indent=2)


def summary_json(records: Sequence[Record], window: Interval, now: datetime) -> str:
    """Down time in the window and by category."""
    shares = pareto(records, window, now)
    return json.dumps(
        {
            "since": iso(window.start),
            "until": iso(window.end),
            "window_s": window.seconds,
            "down_s": down_s(records, window, now),
            "categories": [asdict(share) | {"cumulated": line} for share, line in zip(shares, cumulated(shares), strict=True)],
        },
        indent=2,
    )


def print_summary(console: Console, records: Sequence[Record], window: Interval, now: datetime) -> None:
    """The same as a table, the worst first."""
    shares = pareto(records, window, now)
    table = Table("category", box=SIMPLE_HEAD, pad_edge=False)
    for title in ("events", "down", "sum"):
        table.add_column(title, justify="right")
    for share, line in zip(shares, cumulated(shares), strict=True):
        table.add_row(escape(share.category), str(share.events), duration_text(share.down_s), f"{line:.0%}")
    console.print(table)
    down = down_s(records, window, now)
    console.print(
        f"{iso(window.start)} to {iso(window.end)}: down {duration_text(down)} of {duration_text(window.seconds)}"
        + (f", {down / window.seconds:.1%}" if window.seconds else ""),
        soft_wrap=True,
    )
