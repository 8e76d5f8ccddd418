"""Runs as people see them: facts, what was said of them, how they came to their state."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping, select

from logbook.desk import Desk
from logbook.refusals import DatabaseAway, NotThere
from logbook.run import Run, iso, run_json
from logbook.run_query import RunFilter, runs_query
from logbook.tables import SlowControl


def listed(desk: Desk, wanted: RunFilter) -> list[dict[str, Any]]:
    """Runs with their newest remarks, the newest first.

    Raises:
        DatabaseAway: as it says; only open runs can be told without it.
    """
    if desk.database_answers:
        return stored(desk, wanted)
    if not wanted.open:
        raise DatabaseAway(f"only open runs are known, the database cannot be reached: {desk.trouble}")
    return [run_json(run) | {"remarks": None} for run in _matching(desk, wanted)]


def stored(desk: Desk, wanted: RunFilter) -> list[dict[str, Any]]:
    """The same from the database alone.

    Raises:
        DatabaseAway: as it says.
    """
    rows, said = desk.store.runs(runs_query(wanted))
    remarks: dict[int, dict[str, str]] = {}
    for row in said:
        remarks.setdefault(row["run"], {})[row["field"]] = row["value"]
    return [_plain(row) | {"remarks": remarks.get(row["number"], {})} for row in rows]


def shown(desk: Desk, number: int) -> dict[str, Any]:
    """One run with everything; without the database only its facts.

    Raises:
        NotThere: there is no such run.
        DatabaseAway: it is away, and the run is not known without it.
    """
    run = desk.run(number)
    if not desk.database_answers:
        return run_json(run) | {"remarks": None, "remark_history": None, "transitions": None}
    history = [{**_plain(row), "at": iso(row["at"])} for row in desk.store.remarks(number)]
    transitions = [
        {
            "before": each.before,
            "after": each.after,
            "at": iso(each.at),
            "source": each.source,
            "who": each.who,
            "reason": each.reason,
        }
        for each in desk.store.transitions(number)
    ]
    return run_json(run) | {
        "remarks": {row["field"]: row["value"] for row in history},
        "remark_history": history,
        "transitions": transitions,
    }


def slow_control(desk: Desk, number: int) -> list[dict[str, Any]]:
    """What the chosen PVs did during a run.

    Raises:
        NotThere: there is no such run.
        DatabaseAway: it is away.
    """
    if not desk.database_answers:
        raise DatabaseAway(f"the database cannot be reached: {desk.trouble}")
    run = desk.run(number)
    if run.state.is_open:
        raise NotThere(f"run {number} is {run.state}: its summary is made when it has ended")
    rows = desk.store.rows(select(SlowControl.__table__).where(SlowControl.run == number).order_by(SlowControl.pv))
    return [dict(row) for row in rows]


def _matching(desk: Desk, wanted: RunFilter) -> list[Run]:
    runs = [run for run in desk.present.runs.values() if run.state.is_open and wanted.first <= run.number <= wanted.last]
    if wanted.partition is not None:
        runs = [run for run in runs if run.partition == wanted.partition]
    if wanted.type is not None:
        runs = [run for run in runs if run.type == wanted.type]
    if wanted.state is not None:
        runs = [run for run in runs if run.state is wanted.state]
    if wanted.until is not None:
        runs = [run for run in runs if run.opened_at < wanted.until]
    runs.sort(key=lambda run: -run.number)
    return runs[wanted.offset : wanted.offset + wanted.limit]


def _plain(row: RowMapping) -> dict[str, Any]:
    return {str(name): iso(value) if isinstance(value, datetime) else value for name, value in row.items()}
