"""Runs as lines of text, for the command line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import click

from logbook.comparison import describe, describe_detector

_COLOURS = {"init": "cyan", "running": "green", "paused": "yellow", "ended": None, "aborted": "red"}


def line(run: Mapping[str, Any]) -> str:
    """One run in one line."""
    state = click.style(f"{run['state']:8}", fg=_COLOURS.get(run["state"]))
    events = "" if run["events"] is None else f"  {run['events']:,} events"
    version = "" if run["config_version"] is None else f"  configuration {run['config_version']}{_how_much(run)}"
    reason = f"  {run['end_reason']}" if run["end_reason"] else ""
    comment = (run.get("remarks") or {}).get("comment", "").partition("\n")[0]
    said = f"  “{comment}”" if comment else ""
    times = f"{short(run['opened_at'])}  {length(run):>9}"
    return f"{run['number']:6}  {run['partition']:8} {run['type']:12} {state} {times}{events}{version}{reason}{said}"


def _how_much(run: Mapping[str, Any]) -> str:
    """Of the configuration, as far as it is known."""
    if run["config_compared"]:
        return f", {run['config_differing']} differ" if run["config_differing"] else ""
    return ", not compared" if run["started_at"] else ""


def page(run: Mapping[str, Any]) -> list[str]:
    """Everything of one run."""
    facts: Sequence[tuple[str, Any]] = (
        ("partition", run["partition"]),
        ("type", run["type"]),
        ("state", f"{run['state']}, orphaned" if run["orphaned"] else run["state"]),
        ("opened", f"{short(run['opened_at'])} by {run['opened_by']}"),
        ("started", short(run["started_at"])),
        ("ended", f"{short(run['ended_at'])} by {run['ended_by']}" if run["ended_at"] else "-"),
        ("reason", run["end_reason"] or "-"),
        ("length", length(run)),
        ("events", "-" if run["events"] is None else f"{run['events']:,}"),
        ("configuration", describe(run)),
        ("detector", describe_detector(run)),
        ("software", run["software_version"]),
        ("slow control", run["summary"] or "after the end"),
        *(sorted(run["facts"].items())),
    )
    lines = [f"run {run['number']}", *(f"  {name:14} {value}" for name, value in facts)]
    if run["transitions"] is None:
        return [*lines, "  the database is away: remarks and transitions cannot be shown"]
    lines += ["transitions"] if run["transitions"] else []
    for each in run["transitions"]:
        reason = f"  {each['reason']}" if each["reason"] else ""
        lines.append(
            f"  {short(each['at'])}  {each['before'] or '':8} -> {each['after']:8}  {each['who']} ({each['source']}){reason}"
        )
    lines += ["remarks"] if run["remark_history"] else []
    newest = {row["field"]: row["id"] for row in run["remark_history"]}
    for row in run["remark_history"]:
        old = "" if newest[row["field"]] == row["id"] else "  (replaced)"
        lines.append(f"  {short(row['at'])}  {row['field']}: {row['value']}  {row['who']}{old}")
    return lines


def short(text: str | None) -> str:
    """ISO time to the second."""
    return "-" if text is None else f"{text[:10]} {text[11:19]}"


def length(run: Mapping[str, Any]) -> str:
    """From opening to end, or to now."""
    opened = datetime.fromisoformat(run["opened_at"])
    ended = datetime.fromisoformat(run["ended_at"]) if run["ended_at"] else datetime.now(UTC)
    seconds = max(round((ended - opened).total_seconds()), 0)
    return f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"
