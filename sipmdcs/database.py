"""SQL: one declarative base per owner of tables, engines made alike for SQLite and PostgreSQL."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from sipmdcs.durable import make_folder
from sipmdcs.errors import BadInput, ServiceError
from sipmdcs.redaction import redact_url

if TYPE_CHECKING:
    from sipmdcs.timed_connection import TimedConnection

_READING = "only reads"
"""Option of connections."""
_CONNECT_S = 5
_PING_S = 2.0


def make_engine(url: str | URL, silence_s: float = 60.0) -> Engine:
    """An engine for ``sqlite:///file`` or ``postgresql+psycopg://…``; the folder of a SQLite file is made.

    SQLite runs in WAL mode with foreign keys on, waits 10 s for a lock, and begins write transactions at once, so that
    two writers queue instead of failing half way (sqlite.org/lang_transaction.html, "IMMEDIATE").
    A PostgreSQL server that is silent is given up within seconds at the start of a transaction, after that in ``silence_s``,
    which is also the longest that a statement may take, waiting for locks included.

    Raises:
        BadInput: the URL cannot be understood or names another kind of database.
    """
    parsed = parse_url(url)
    backend = parsed.get_backend_name()
    if backend == "postgresql":
        return _postgresql(parsed, silence_s)
    if backend != "sqlite":
        raise BadInput(f"database URL {parsed}: {backend} is not supported, use sqlite or postgresql+psycopg")
    if parsed.database:
        make_folder(Path(parsed.database).parent)
    engine = create_engine(parsed)
    event.listen(engine, "connect", _configure_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def for_reading(engine: Engine) -> Engine:
    """The same engine for transactions that only read: on SQLite they wait for no writer and hold up none."""
    return engine.execution_options(**{_READING: True})


def parse_url(url: str | URL) -> URL:
    """The parts of a database URL.

    Raises:
        BadInput: it cannot be understood.
    """
    with suppress(ArgumentError, ValueError):  # ValueError: a port that is not a number
        parsed = make_url(url)
        # The rest of a password with an @ in it would be taken for the host, asked for in the DNS and shown.
        if str(url).count("@") <= 1 or parsed.get_backend_name() == "sqlite":
            return parsed
    expected = "expected sqlite:///FILE or postgresql+psycopg://USER:PASSWORD@HOST:PORT/NAME, other characters as %XX"
    raise BadInput(f"database URL {redact_url(str(url))} cannot be understood, {expected}")


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


def database_error(engine: Engine, err: SQLAlchemyError) -> ServiceError:
    """What went wrong with the database, in one line; the password is not in it."""
    cause = str(getattr(err, "orig", None) or err).strip().splitlines()
    return ServiceError(f"database {engine.url}: {cause[0] if cause else type(err).__name__}")


@contextmanager
def unlimited(connection: Connection) -> Iterator[None]:
    """Statements within may take as long as they like."""
    if connection.dialect.name != "postgresql":
        yield
        return
    timed: TimedConnection = connection.connection.driver_connection  # pyright: ignore[reportAssignmentType]
    with timed.silent_for(math.inf):
        yield


def _postgresql(url: URL, silence_s: float) -> Engine:
    from sipmdcs.timed_connection import use_timed_connections  # psycopg is 5 MB, which a site on SQLite need not pay

    engine = create_engine(url, connect_args={"connect_timeout": _CONNECT_S})
    use_timed_connections(engine, silence_s, _PING_S, engine.dialect.do_ping)  # pyright: ignore[reportArgumentType]
    return engine


def _begin_sqlite(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN" if connection.get_execution_options().get(_READING) else "BEGIN IMMEDIATE")


def _configure_sqlite(connection: object, _record: object) -> None:
    # The driver's own BEGIN comes too late for reads that are followed by writes; SQLAlchemy's "begin" event sends ours.
    connection.isolation_level = None  # type: ignore[attr-defined]
    cursor = connection.cursor()  # type: ignore[attr-defined]
    for pragma in ("journal_mode=WAL", "foreign_keys=ON", "busy_timeout=10000", "synchronous=FULL"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()
