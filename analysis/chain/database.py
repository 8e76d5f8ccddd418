"""What the quasi-online analysis says to SQLite and PostgreSQL alike."""

from __future__ import annotations

from sqlalchemy import Connection
from sqlalchemy.dialects import postgresql, sqlite


def insert(connection: Connection, table: type) -> postgresql.Insert | sqlite.Insert:
    """An INSERT that may say what to do on a conflict; both databases understand the same words."""
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    return dialect.insert(table)
