"""Brings the database to the tables this program knows; safe to call at every start, by several processes at once."""

from __future__ import annotations

from sqlalchemy import Connection, Engine, inspect, select, text
from sqlalchemy.exc import SQLAlchemyError

from configtool.parameters import INITIAL, Parameter, Phase, WriteMode
from configtool.tables import ParameterRow
from sipmdcs.errors import ServiceError

HEAD = "0001"
"""The newest migration."""

_UPGRADE_LOCK = 0x5349504D
"""Key of the PostgreSQL advisory lock under which migrations run (SQLite locks the whole file by itself)."""


def upgrade(engine: Engine) -> None:
    """Run the migrations that are missing and add the parameters that are.

    Raises:
        ServiceError: the database cannot be reached, or a newer program made it.
    """
    try:
        with engine.begin() as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _UPGRADE_LOCK})
            _migrate(connection)
            _add_parameters(connection)
    except SQLAlchemyError as err:
        raise database_error(engine, err) from err


def _migrate(connection: Connection) -> None:
    known = inspect(connection).has_table("config_alembic_version")
    if known and connection.scalar(text("SELECT version_num FROM config_alembic_version")) == HEAD:
        return
    # Alembic takes as long to import as a whole command to run, and is needed once in the life of a database.
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", "configtool:migrations")
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, HEAD)
    except CommandError as err:
        where = connection.engine.url
        raise ServiceError(f"database {where}: made by a newer version of this program ({err})") from err


def _add_parameters(connection: Connection) -> None:
    table = ParameterRow.__table__
    known = set(connection.scalars(select(table.c.name)))
    missing = [_row(parameter) for parameter in INITIAL if parameter.name not in known]
    if missing:
        connection.execute(table.insert(), missing)  # type: ignore[attr-defined]


def _row(parameter: Parameter) -> dict[str, object]:
    fields = (name for name in Parameter.__slots__)
    row: dict[str, object] = {name: getattr(parameter, name) for name in fields}
    return row | {"write_mode": parameter.write_mode.value, "phase": int(parameter.phase)}


def read_parameters(connection: Connection) -> dict[str, Parameter]:
    """Parameter definitions by name."""
    table = ParameterRow.__table__
    out: dict[str, Parameter] = {}
    for row in connection.execute(select(table)).mappings():
        fields = dict(row) | {"write_mode": WriteMode(row["write_mode"]), "phase": Phase(row["phase"])}
        out[row["name"]] = Parameter(**fields)
    return out


def database_error(engine: Engine, err: SQLAlchemyError) -> ServiceError:
    """What went wrong with the database, in one line."""
    cause = str(getattr(err, "orig", None) or err).strip().splitlines()
    return ServiceError(f"database {engine.url}: {cause[0] if cause else type(err).__name__}")
