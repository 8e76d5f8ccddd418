"""The macro table: one row per run and quantity, over all channels. Computed from the reco rows whenever one of them comes.

It has no memory of its own: computing it again gives the same.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import fmean, stdev
from typing import Any

from sqlalchemy import Connection, delete, func, select

from analysis.chain.database import insert
from analysis.tables import Job, Macro, Raw, Reco

_LOCK = 0x4D4143
"""First half of the key of the PostgreSQL advisory lock under which the rows of a run change."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A reco row with what decides whether it counts."""

    channel: str
    quantity: str
    method: str
    unit: str
    value: float | None
    code: str
    taken_at: datetime
    raw: int
    job: int


def lock_run(connection: Connection, run: int) -> None:
    """Let no other service change the rows of this run before the end of the transaction: its sums would miss ours.

    SQLite has one writer at a time anyway.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(_LOCK, run)))


def update_macro(connection: Connection, run: int, kind: str, now: datetime) -> None:
    """Bring the rows of one run and kind up to date. The caller holds ``lock_run``."""
    columns = (Reco.channel, Reco.quantity, Reco.method, Reco.unit, Reco.value, Reco.code, Raw.taken_at, Job.raw, Reco.job)
    rows = connection.execute(
        select(*columns).join(Job, Job.id == Reco.job).join(Raw, Raw.id == Job.raw).where(Reco.run == run, Reco.kind == kind)
    )
    sums = summarise(Entry(*row) for row in rows)
    connection.execute(delete(Macro).where(Macro.run == run, Macro.kind == kind))
    if sums:
        connection.execute(insert(connection, Macro), [{"run": run, "kind": kind, "updated_at": now} | row for row in sums])


def newest(entries: Iterable[Entry]) -> list[Entry]:
    """Those that count: of each channel its newest raw result, and of that the newest analysis."""
    by_channel: dict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        by_channel[entry.channel].append(entry)
    counting: list[Entry] = []
    for rows in by_channel.values():
        last = max(rows, key=_age)
        counting += [row for row in rows if _age(row) == _age(last)]
    return counting


def summarise(entries: Iterable[Entry]) -> list[dict[str, Any]]:
    """Columns of the macro rows of one run and kind, in the order of quantity and method."""
    groups: dict[tuple[str, str], list[Entry]] = defaultdict(list)
    for entry in newest(entries):
        groups[entry.quantity, entry.method].append(entry)
    return [_row(quantity, method, rows) for (quantity, method), rows in sorted(groups.items())]


def _age(entry: Entry) -> tuple[datetime, int, int]:
    return entry.taken_at, entry.raw, entry.job


def _row(quantity: str, method: str, rows: Sequence[Entry]) -> dict[str, Any]:
    values = [row.value for row in rows if row.value is not None]
    last = max(rows, key=lambda row: row.job)
    return {
        "quantity": quantity,
        "method": method,
        "unit": last.unit,
        "channels": len(values),
        "failed": len(rows) - len(values),
        "mean": fmean(values) if values else None,
        "std": stdev(values) if len(values) > 1 else None,
        "minimum": min(values, default=None),
        "maximum": max(values, default=None),
        "code": last.code,
    }
