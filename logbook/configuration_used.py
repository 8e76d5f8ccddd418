"""Which configuration version was pushed last: the newest push that was verified by then, and of which part of the version.

The tables are the config tool's; of them only the columns used here are known.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, String, Text, column, inspect, select, table

from sipmdcs.sqltypes import UtcDateTime

_PUSH = table(
    "config_push",
    column("id"),
    column("version_id"),
    column("only", Text),
    column("state", String),
    column("ended_at", UtcDateTime),
)
_VERSION = table("config_version", column("id"), column("content_hash", String))


@dataclass(frozen=True, slots=True)
class ConfigurationUsed:
    """What was pushed last."""

    version: int | None = None
    """``None`` if nothing was ever pushed."""
    push: int | None = None
    hash: str = ""
    only: str = ""
    """Patterns that the push was limited to; empty if it was of the whole version."""


NOTHING_PUSHED = ConfigurationUsed()


def configuration_at(connection: Connection, at: datetime) -> ConfigurationUsed:
    """The configuration pushed last at a time; of a database without config tool, none."""
    if not inspect(connection).has_table(_PUSH.name):
        return NOTHING_PUSHED
    newest = (
        select(_PUSH.c.version_id, _PUSH.c.id, _VERSION.c.content_hash, _PUSH.c.only)
        .join(_VERSION, _VERSION.c.id == _PUSH.c.version_id)
        .where(_PUSH.c.state == "verified", _PUSH.c.ended_at <= at)
        .order_by(_PUSH.c.ended_at.desc(), _PUSH.c.id.desc())
        .limit(1)
    )
    row = connection.execute(newest).first()
    return NOTHING_PUSHED if row is None else ConfigurationUsed(*row)
