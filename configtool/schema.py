"""Brings the database to the tables this program knows; safe to call at every start, by several processes at once."""

from __future__ import annotations

from sqlalchemy import Connection, Engine, select
from sqlalchemy.exc import SQLAlchemyError

from configtool.parameters import INITIAL, Parameter, Phase, WriteMode
from configtool.tables import ParameterRow
from sipmdcs.database import database_error, for_reading
from sipmdcs.migration import is_current, migrate

HEAD = "0002"
"""The newest migration."""


def upgrade(engine: Engine) -> None:
    """Run the migrations that are missing and add the parameters that are.

    Raises:
        ServiceError: the database cannot be reached, or a newer program made it.
    """
    try:
        with for_reading(engine).begin() as connection:
            if is_current(connection, HEAD, "config") and not _missing_parameters(connection):
                return
        with engine.begin() as connection:
            migrate(connection, "configtool", HEAD, "config")
            if missing := _missing_parameters(connection):
                connection.execute(ParameterRow.__table__.insert(), missing)  # type: ignore[attr-defined]
    except SQLAlchemyError as err:
        raise database_error(engine, err) from err


def _missing_parameters(connection: Connection) -> list[dict[str, object]]:
    known = set(connection.scalars(select(ParameterRow.__table__.c.name)))
    return [_row(parameter) for parameter in INITIAL if parameter.name not in known]


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
