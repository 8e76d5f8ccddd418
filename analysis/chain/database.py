"""Transactions of the quasi-online analysis."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import SQLAlchemyError

from sipmdcs.database import database_error


@contextmanager
def transaction(engine: Engine) -> Iterator[Connection]:
    """A connection; what was done through it is kept at the end of the block, and undone by an exception.

    Raises:
        ServiceError: the database is locked, full, broken or gone.
    """
    try:
        with engine.begin() as connection:
            yield connection
    except SQLAlchemyError as err:
        raise database_error(engine, err) from err


def insert(connection: Connection, table: type) -> postgresql.Insert | sqlite.Insert:
    """An INSERT that may say what to do on a conflict; both databases understand the same words."""
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    return dialect.insert(table)
