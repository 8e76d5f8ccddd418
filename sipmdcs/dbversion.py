"""In which state a database is, as a text: as long as that is the same, so is every row."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path
from typing import Protocol
from urllib.parse import quote

from sqlalchemy import URL

_WAIT_S = 2.0
"""Longest wait for an answer, or for those who asked before."""


class Asker(Protocol):
    """Asks a database of one kind over a connection of its own, which it makes when it has none."""

    async def ask(self) -> str | None:
        """The version; ``None`` if the database does not tell it.

        Raises:
            OSError: it cannot be asked.
        """
        ...

    def drop(self) -> None:
        """Give the connection up."""
        ...


class DatabaseVersion:
    """The version of a database; for one event loop.

    What is read after a version was asked for is as new as that or newer, and stays what there is as long as the version does.
    """

    def __init__(self, url: URL) -> None:
        self._asker = _asker(url)
        self._lock = asyncio.Lock()

    async def now(self) -> str | None:
        """The version; ``None`` if the database does not tell it, whatever the reason."""
        try:
            async with asyncio.timeout(_WAIT_S), self._lock:
                try:
                    return await self._asker.ask()
                except BaseException:
                    self._asker.drop()  # an answer that still comes would be taken for the next one
                    raise
        except OSError:  # TimeoutError is one
            return None

    def close(self) -> None:
        """Give the connection up."""
        self._asker.drop()


def _asker(url: URL) -> Asker:
    if url.get_backend_name() == "sqlite":
        return _Sqlite(url.database or "")
    from sipmdcs.dbversion_postgresql import PostgresAsker  # 5 MB, which a site on SQLite need not pay

    return PostgresAsker(url)


class _Sqlite:
    """Which file it is, and what SQLite counts on each connection: the transactions of others."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._connection: sqlite3.Connection | None = None
        self._connected = 0
        self._file: tuple[int, int] | None = None

    async def ask(self) -> str | None:  # some microseconds: a look into memory that SQLite's processes share
        file = file_identity(self._path)
        if file is None:
            return None
        try:
            if self._connection is None or file != self._file:
                self.drop()
                uri = f"file:{quote(self._path)}?mode=ro"
                self._connection = sqlite3.connect(uri, uri=True, timeout=0, check_same_thread=False, isolation_level=None)
                self._connected += 1
                self._file = file
            (changes,) = self._connection.execute("PRAGMA data_version").fetchone()
        except sqlite3.Error as err:
            raise OSError(str(err)) from err
        return f"{file} {self._connected} {changes}"

    def drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
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
