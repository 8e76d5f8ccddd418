"""Engines that cannot write: SQLite opened for reading only, PostgreSQL in read-only transactions.

On PostgreSQL that is a seat belt, not a lock; what a role may do is decided by its privileges, see ``role``.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import quote

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DisconnectionError
from sqlalchemy.pool import ConnectionPoolEntry

from sipmdcs.dbversion import file_identity
from sipmdcs.errors import BadInput

if TYPE_CHECKING:
    from sipmdcs.timed_connection import TimedConnection

STATEMENT_TIMEOUT_S = 10.0
"""On SQLite processor time: a machine that is busy with other things makes no query a bad one."""
_LONGEST_FACTOR = 6
"""On SQLite a statement ends after so many times that, whatever it used."""
_LOCK_TIMEOUT_S = 5.0
LIMIT = "statement limit"
"""Of a connection's ``info``: the ``StatementLimit`` of its transaction; on SQLite only."""
_STEPS = 20_000
"""Steps of SQLite's virtual machine between two looks at the clock: some tenths of a millisecond."""
_BEGIN = "BEGIN ISOLATION LEVEL REPEATABLE READ"
CONNECTIONS = 10
"""Open at a time, at most, besides the one that asks for the version."""
_CONNECT_S = 2
_PING_S = 2.0
_GRACE_S = 2.0
"""On PostgreSQL the server ends a statement; one that does not is given up so much later."""


class StatementLimit:
    """How long a statement on SQLite may take, which works in the thread that reads its rows.

    Args:
        timeout_s: processor time.
    """

    def __init__(self, timeout_s: float) -> None:
        self._used = time.thread_time() + timeout_s
        self._latest = time.monotonic() + _LONGEST_FACTOR * timeout_s

    def passed(self) -> bool:
        """Whether it took longer."""
        return time.thread_time() > self._used or time.monotonic() > self._latest

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Around what the thread does between rows."""
        used, at = time.thread_time(), time.monotonic()
        try:
            yield
        finally:
            self._used += time.thread_time() - used
            self._latest += time.monotonic() - at


def open_for_reading(url: str, timeout_s: float = STATEMENT_TIMEOUT_S) -> Engine:
    """An engine whose transactions see one state of the database and whose statements end after ``timeout_s``.

    A database that is not there is an error of the first query, not of this call.

    Raises:
        BadInput: the URL cannot be understood or names another kind of database.
    """
    try:
        parsed = make_url(url)
    except ArgumentError as err:
        raise BadInput("database URL cannot be understood, expected sqlite:///FILE or postgresql+psycopg://…") from err
    match parsed.get_backend_name():
        case "sqlite":
            return _sqlite(parsed, timeout_s)
        case "postgresql":
            return _postgresql(parsed, timeout_s)
        case backend:
            raise BadInput(f"database URL {parsed}: {backend} is not supported, use sqlite or postgresql+psycopg")


def _sqlite(url: URL, timeout_s: float) -> Engine:
    uri = f"file:{quote(url.database or '')}?mode=ro"

    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(
            uri, uri=True, check_same_thread=False, timeout=_LOCK_TIMEOUT_S, isolation_level=None, cached_statements=500
        )
        connection.execute("PRAGMA query_only = ON")
        return connection

    engine = create_engine(url, creator=connect, pool_size=CONNECTIONS, max_overflow=0, pool_timeout=_PING_S)

    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN")
        limit = StatementLimit(timeout_s)
        connection.info[LIMIT] = limit
        raw = connection.connection.driver_connection
        raw.set_progress_handler(limit.passed, _STEPS)  # type: ignore[union-attr]

    def remember(_: object, record: ConnectionPoolEntry) -> None:
        record.info["file"] = file_identity(url.database or "")

    def check(_: object, record: ConnectionPoolEntry, __: object) -> None:
        if record.info["file"] != file_identity(url.database or ""):
            raise DisconnectionError("the file is another one now")

    event.listen(engine, "begin", begin)
    event.listen(engine, "connect", remember)
    event.listen(engine, "checkout", check)
    return engine


def _postgresql(url: URL, timeout_s: float) -> Engine:
    from psycopg.pq import TransactionStatus  # 5 MB, which a site on SQLite need not pay

    from sipmdcs.timed_connection import use_timed_connections

    options = f"-c default_transaction_read_only=on -c statement_timeout={round(timeout_s * 1000)} -c timezone=UTC"
    engine = create_engine(
        url,
        connect_args={"options": options, "connect_timeout": _CONNECT_S, "application_name": "sipmdcs web"},
        isolation_level="AUTOCOMMIT",  # no BEGIN of the driver's own: ours comes with the check
        skip_autocommit_rollback=True,
        pool_reset_on_return=None,
        pool_size=CONNECTIONS,
        max_overflow=0,
        pool_timeout=_PING_S,
    )

    def begin(connection: TimedConnection) -> None:
        connection.execute(_BEGIN, prepare=False)

    def end(connection: TimedConnection, _: object, __: object) -> None:
        # After a ROLLBACK psycopg forgets its prepared statements: the server would parse each of them every time.
        if connection.info.transaction_status is TransactionStatus.INTRANS:
            connection.commit()
        else:
            connection.rollback()

    use_timed_connections(engine, timeout_s + _GRACE_S, _PING_S, begin)
    event.listen(engine, "reset", end)
    return engine
