"""Resources in SQL. A database that is away is a 503, a table that is not made yet an empty answer that says so."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from http import HTTPStatus
from pathlib import Path

from sqlalchemy import Connection, Engine, inspect
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from sipmdcs.clock import Clock, to_datetime
from sipmdcs.database import database_error
from sipmdcs.dbversion import DatabaseVersion
from web.bulkhead import Bulkhead, NoAnswer
from web.errors import ApiError, source_away
from web.query import Page, Query, Source
from web.readonly import CONNECTIONS
from web.resource import Resource
from web.sqlquestion import SqlQuestion, Totals
from web.sqlselect import SQLITE

logger = logging.getLogger(__name__)

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
        self._totals = Totals(clock)
        self._version = DatabaseVersion(engine.url)

    @contextmanager
    def open(self, resource: Resource, query: Query) -> Iterator[Page]:
        """Rows and their number, both of one moment; rows are read as they are asked for, from an open connection.

        Raises:
            ApiError: 503 while the database is away or busy, 400 for a query that takes too long.
        """
        with self.bulkhead.question():
            if self._not_made():
                yield Page((), 0, (f"{resource.name} is empty: there is no database yet",))
                return
            try:
                with self.engine.connect() as connection:
                    yield self._page(connection, resource, query)
            except PoolTimeout as err:
                raise source_away("every connection to the database is busy; try again", 1) from err
            except SQLAlchemyError as err:
                raise self._failure(resource, err) from err

    async def version(self) -> str | None:
        """As long as it is the same, so are all rows; ``None`` if that is not known."""
        return None if self.bulkhead.away else await self._version.now()

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

    def _page(self, connection: Connection, resource: Resource, query: Query) -> Page:
        if missing := self._missing(connection, resource.needs):
            return Page((), 0, (f"{resource.name} is empty: the database has no table {', '.join(missing)} yet",))
        question = SqlQuestion(connection, resource, query, to_datetime(self._clock.time_ns()))
        total = self._totals.of(question)
        rows = question.rows() if total.number > query.offset else ()
        return Page(
            rows,
            total.number,
            at_least=total.at_least,
            counted_at=total.counted_at,
            moving=lambda: question.moving or (total.counted_at is not None and not total.at_least),
        )

    def _missing(self, connection: Connection, tables: Iterable[str]) -> list[str]:
        unknown = [name for name in tables if name not in self._seen]
        if unknown:
            there = inspect(connection)
            self._seen.update(name for name in unknown if there.has_table(name))
        return [name for name in unknown if name not in self._seen]

    def _failure(self, resource: Resource, err: SQLAlchemyError) -> Exception:
        self._seen.clear()  # it may come back as another database
        if _took_too_long(err):
            return ApiError(HTTPStatus.BAD_REQUEST, "the query takes too long; filter more or ask for less")
        logger.error("%s", database_error(self.engine, err))
        if _is_silent(err):
            return NoAnswer(_SILENT)
        return source_away(f"{resource.name}: the database cannot answer this")

    def _not_made(self) -> bool:
        name = self.engine.url.database
        return self.engine.dialect.name == SQLITE and name is not None and not Path(name).exists()

    def close(self) -> None:
        """Close every connection."""
        self.bulkhead.close()
        self._version.close()
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

    async def version(self) -> str | None:
        return await self._database.version()

    def open(self, query: Query) -> AbstractContextManager[Page]:
        return self._database.open(self.resource, query)
