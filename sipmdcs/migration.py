"""Brings a database to the tables a part knows: Alembic, run from code, safe at every start and by several processes at once.

A part that owns tables has a package ``PART.migrations`` with ``env.py`` (see ``run_migrations``) and ``versions``, and
calls ``migrate`` before its first query. Each part keeps its own version table ``PART_alembic_version``, so that parts can be
installed one without the other.
"""

from __future__ import annotations

from sqlalchemy import Connection, Engine, MetaData, inspect, text
from sqlalchemy.exc import SQLAlchemyError

from sipmdcs.database import database_error, for_reading, unlimited
from sipmdcs.errors import ServiceError

_UPGRADE_LOCK = 0x5349504D
"""Key of the PostgreSQL advisory lock under which migrations run (SQLite locks the whole file by itself)."""


def upgrade(engine: Engine, part: str, head: str, prefix: str | None = None) -> None:
    """Run the migrations of ``part`` that are missing, in a transaction of their own.

    Raises:
        ServiceError: as ``migrate``, or the database cannot be reached.
    """
    try:
        with for_reading(engine).begin() as connection:
            if is_current(connection, head, prefix or part):
                return
        with engine.begin() as connection:
            migrate(connection, part, head, prefix)
    except SQLAlchemyError as err:
        raise database_error(engine, err) from err


def is_current(connection: Connection, head: str, prefix: str) -> bool:
    """Whether no migration is missing."""
    table = _version_table(prefix)
    known = inspect(connection).has_table(table)
    return known and connection.scalar(text(f"SELECT version_num FROM {table}")) == head  # noqa: S608 - names of ours


def migrate(connection: Connection, part: str, head: str, prefix: str | None = None) -> None:
    """Run the migrations that are missing in the transaction of ``connection``.

    Args:
        connection: in a transaction.
        part: import name of the package that holds ``migrations``.
        head: the newest migration.
        prefix: of the version table; ``part`` if left out.

    Raises:
        ServiceError: a newer program made the database.
    """
    with unlimited(connection):
        _migrate(connection, part, head, prefix)


def _migrate(connection: Connection, part: str, head: str, prefix: str | None) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _UPGRADE_LOCK})
    if is_current(connection, head, prefix or part):
        return
    # Alembic takes as long to import as a whole command to run, and is needed once in the life of a database.
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", f"{part}:migrations")
    config.attributes["connection"] = connection
    config.attributes["version_table"] = _version_table(prefix or part)
    try:
        command.upgrade(config, head)
    except CommandError as err:
        where = connection.engine.url
        raise ServiceError(f"database {where}: made by a newer version of this program ({err})") from err


def _version_table(prefix: str) -> str:
    return f"{prefix}_alembic_version"


def run_migrations(metadata: MetaData) -> None:
    """Run what Alembic asks for, on the connection of ``migrate``. Called by a part's ``migrations/env.py`` alone."""
    from alembic import context

    attributes = context.config.attributes
    context.configure(
        connection=attributes["connection"],
        target_metadata=metadata,
        version_table=attributes["version_table"],
        transactional_ddl=True,
    )
    context.run_migrations()
