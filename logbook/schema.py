"""Brings the database to the tables of logbook; safe to call at every start."""

from __future__ import annotations

from sqlalchemy import Engine

from sipmdcs import migration

HEAD = "0002"
"""The newest migration."""


def upgrade(engine: Engine) -> None:
    """Run the migrations that are missing.

    Raises:
        ServiceError: the database cannot be reached, or a newer program made it.
    """
    migration.upgrade(engine, "logbook", HEAD)
