"""``sipmdcs config history``."""

from __future__ import annotations

from datetime import datetime

import click
from sqlalchemy import select
from sqlalchemy.orm import Session

from configtool.options import echo_json, json_option, warn
from configtool.store import open_store
from configtool.tables import Push
from configtool.versions import SHORT_HASH, VersionInfo, list_versions
from sipmdcs.cli import pass_site
from sipmdcs.command_examples import examples
from sipmdcs.site import Site


@click.command(
    epilog=examples(
        "sipmdcs config history",
        "sipmdcs config history --limit 1 --json",
    ),
)
@click.option(
    "--limit", default=20, show_default=True, type=click.IntRange(1, 1_000_000), help="How many of each to show, newest first."
)
@json_option
@pass_site
def history(site: Site, limit: int, as_json: bool) -> None:
    """List versions and pushes: who, when, why, and how each push ended.

    A push ends verified, rolled_back, rollback_failed or aborted; the table config_push_item of the database has every value
    of it, before and after.
    """
    with open_store(site, warn) as store, store.session(reading=True) as session:
        versions = [_version(info) for info in list_versions(session)[:limit]]
        pushes = _pushes(session, limit)
    if as_json:
        echo_json({"versions": versions, "pushes": pushes})
        return
    click.echo("versions")
    for row in versions:
        hash_ = str(row["sha256"])[:SHORT_HASH]
        click.echo(f"  {row['version']:>4}  {hash_}  {row['created_at']}  {row['author']}  {row['message']}")
    click.echo("pushes")
    for row in pushes:
        only = f"  only {row['only']}" if row["only"] else ""
        reason = f"  {row['reason']}" if row["reason"] else ""
        why = f"  {row['message']}" if row["message"] else ""
        line = f"  {row['push']:>4}  version {row['version']}  {row['started_at']}  {row['author']}  {row['state']}"
        click.echo(f"{line}{only}{why}{reason}")


def _version(info: VersionInfo) -> dict[str, object]:
    return {
        "version": info.number,
        "parent": info.parent,
        "sha256": info.content_hash,
        "author": info.author,
        "created_at": _time(info.created_at),
        "message": info.message,
    }


def _pushes(session: Session, limit: int) -> list[dict[str, object]]:
    return [
        {
            "push": row.id,
            "version": row.version_id,
            "only": row.only,
            "state": str(row.state),
            "author": row.author,
            "started_at": _time(row.started_at),
            "ended_at": None if row.ended_at is None else _time(row.ended_at),
            "message": row.message,
            "reason": row.reason,
        }
        for row in session.scalars(select(Push).order_by(Push.id.desc()).limit(limit))
    ]


def _time(when: datetime) -> str:
    return when.isoformat(timespec="seconds").replace("+00:00", "Z")
