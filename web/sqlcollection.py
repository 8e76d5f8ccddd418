"""Resources in SQL. A database that is away is a 503, a table that is not made yet an empty answer that says so."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from http import HTTPStatus
from pathlib import Path

from sqlalchemy import Connection, Engine, bindparam, inspect
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from sipmdcs.clock import Clock, to_datetime
from sipmdcs.database import database_error
from sipmdcs.sqltypes import UtcDateTime
from web.bulkhead import Bulkhead, NoAnswer
from web.errors import ApiError, source_away
from web.query import Page, Query, Row, Source
from web.readonly import CONNECTIONS
from web.resource import Resource
from web.sqlselect import SQLITE, select_count, select_rows

logger = logging.getLogger(__name__)

NOW = bindparam("now", type_=UtcDateTime)
"""The present, in the SQL expression of an attribute."""

_PERMITS = CONNECTIONS - 2
"""Questions of requests at a time: one connection is left for the probe, one for what is kept in memory."""
_SILENT = "does not answer"

_CANCELLED = "57014"
"""SQLSTATE ``query_canceled`` of PostgreSQL."""


class Database:
    """The site's database, for reading."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self.engine = engine
        self.bulkhead = Bulkhead("the database", clock, _PERMITS)
        self._clock = clock
        self._seen: set[str] = set()

    def fetch(self, resource: Resource, query: Query) -> Page:
        """Rows and their number, both of one moment.

        Raises:
            ApiError: 503 while the database is away or busy, 400 for a query that takes too long.
        """
        with self.bulkhead.question():
            try:
                return self._fetch(resource, query)
            except PoolTimeout as err:
                raise source_away("every connection to the database is busy; try again", 1) from err
            except SQLAlchemyError as err:
                return self._failed(resource, err)

    def probe(self) -> None:
        """See that it is there; a SQLite file that is not made yet is no silence.

        Raises:
            NoAnswer: it is not.
        """
        try:
            with self.engine.connect() as connection:
                # SQLite looks at no file for a SELECT without a table.
                sqlite = connection.dialect.name == SQLITE
                connection.exec_driver_sql("SELECT count(*) FROM sqlite_master" if sqlite else "SELECT 1")
        except SQLAlchemyError as err:
            if not self._not_made():
                raise NoAnswer(_SILENT) from err

    def _fetch(self, resource: Resource, query: Query) -> Page:
        with self.engine.connect() as connection:
            if missing := self._missing(connection, resource.needs):
                text = f"{resource.name} is empty: the database has no table {', '.join(missing)} yet"
                return Page((), 0, (text,))
            dialect = connection.dialect.name
            now = {"now": to_datetime(self._clock.time_ns())}
            total = connection.execute(select_count(resource, query, dialect), now).scalar_one()
            found = connection.execute(select_rows(resource, query, dialect), now) if total > query.offset else ()
            return Page([Row(dict(zip(query.columns, row, strict=True))) for row in found], total)

    def _missing(self, connection: Connection, tables: Iterable[str]) -> list[str]:
        unknown = [name for name in tables if name not in self._seen]
        if unknown:
            there = inspect(connection)
            self._seen.update(name for name in unknown if there.has_table(name))
        return [name for name in unknown if name not in self._seen]

    def _failed(self, resource: Resource, err: SQLAlchemyError) -> Page:
        self._seen.clear()  # it may come back as another database
        if _took_too_long(err):
            raise ApiError(HTTPStatus.BAD_REQUEST, "the query takes too long; filter more or ask for less") from err
        if self._not_made():
            return Page((), 0, (f"{resource.name} is empty: there is no database yet",))
        logger.error("%s", database_error(self.engine, err))
        if _is_silent(err):
            raise NoAnswer(_SILENT) from err
        raise source_away(f"{resource.name}: the database cannot answer this") from err

    def _not_made(self) -> bool:
        name = self.engine.url.database
        return self.engine.dialect.name == SQLITE and name is not None and not Path(name).exists()

    def close(self) -> None:
        """Close every connection."""
        self.bulkhead.close()
        self.engine.dispose()


def _took_too_long(err: SQLAlchemyError) -> bool:
    cause = err.orig if isinstance(err, DBAPIError) else None
    return getattr(cause, "sqlstate", None) == _CANCELLED or str(cause) == "interrupted"


def _is_silent(err: SQLAlchemyError) -> bool:
    return isinstance(err, DBAPIError) and (err.connection_invalidated or err.statement is None)


class SqlCollection:
    """One resource of a database; see ``query.Collection``."""

    source = Source.DATABASE

    def __init__(self, resource: Resource, database: Database) -> None:
        self.resource = resource
        self._database = database

    def fetch(self, query: Query) -> Page:
        return self._database.fetch(self.resource, query)
