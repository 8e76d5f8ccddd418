"""In which state a database is, as a text: as long as that is the same, so is every row."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

_WAIT_S = 2.0
"""Longest wait for another thread that asks."""
_SNAPSHOT = (
    b"SELECT CASE WHEN pg_is_in_recovery() THEN NULL ELSE concat(pg_current_snapshot(), ' ', pg_postmaster_start_time()) END"
)
"""A snapshot says which transactions are seen. On a stand-by it does not name those under way."""


class DatabaseVersion:
    """Asks over a connection of its own; any thread may call.

    What is read after a version was asked for is as new as that or newer, and stays what there is as long as the version does.

    Args:
        engine: makes the connection.
        prepare: is given the connection of the driver.
    """

    def __init__(self, engine: Engine, prepare: Callable[[Any], None] = lambda connection: None) -> None:
        self._engine = engine
        self._prepare = prepare
        self._lock = threading.Lock()
        self._connection: Any = None
        self._connected = 0
        """How often; SQLite counts anew on each connection."""
        self._file: tuple[int, int] | None = None
        """Which file it is that is open, on SQLite."""

    def now(self) -> str | None:
        """The version; ``None`` if the database does not tell it, whatever the reason."""
        if not self._lock.acquire(timeout=_WAIT_S):
            return None
        try:
            return self._sqlite() if self._engine.dialect.name == "sqlite" else self._postgresql()
        except (OSError, SQLAlchemyError, self._engine.dialect.loaded_dbapi.Error):
            self._drop()
            return None
        finally:
            self._lock.release()

    def close(self) -> None:
        """Give the connection back."""
        with self._lock:
            self._drop()

    def _postgresql(self) -> str | None:
        connection = self._connection or self._connect()
        (version,) = connection.execute(_SNAPSHOT).fetchone()
        return version

    def _sqlite(self) -> str | None:
        file = file_identity(self._engine.url.database or "")
        if file != self._file:
            self._drop()
        if file is None:
            return None
        connection = self._connection or self._connect()
        self._file = file
        (changes,) = connection.execute("PRAGMA data_version").fetchone()
        return f"{file} {self._connected} {changes}"

    def _connect(self) -> Any:
        taken = self._engine.raw_connection()
        self._connection = taken.driver_connection
        taken.detach()
        self._connected += 1
        if self._engine.dialect.name != "sqlite":
            self._connection.rollback()  # what the engine may have begun
            self._connection.autocommit = True
        self._prepare(self._connection)
        return self._connection

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(self._engine.dialect.loaded_dbapi.Error):
                connection.close()


def file_identity(path: str) -> tuple[int, int] | None:
    """Which file a path leads to: one restored from a backup must not go on unseen beside the old one.

    No other has this identity as long as the file is open.
    """
    try:
        found = Path(path).stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino
