"""The database of the alarm service, shared by alarms and paging without either locking the other out.

SQLite has one writer at a time, and a process that waits for it gives up after a while. So the writers of this process take
turns here, in the order in which they ask and without a limit of time, and readers (WAL) wait for nobody.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, event, inspect, select
from sqlalchemy.schema import CreateColumn

from alarms.tables import METADATA
from sipmdcs.database import for_reading, make_engine, transaction

BUSY_S = 1.0
"""Another program, such as a backup, may hold the database for so long; then it refuses, and the write is tried again."""


class Database:
    """Connections to one SQLite file. Methods block; they may be called from any thread."""

    def __init__(self, path: Path) -> None:
        """Open the file, made if there is none, and bring its tables up to date.

        Raises:
            SQLAlchemyError: it cannot be opened, or is no database.
            OSError: its folder cannot be made.
        """
        url = f"sqlite:///{path}"
        self._turns = Turns()
        self._writing = make_engine(url)
        event.listen(self._writing, "connect", _give_up_soon)
        self._reading = for_reading(make_engine(url))
        try:
            with self._writing.begin() as connection:
                _prepare(connection)
        except BaseException:
            self.close()
            raise

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that may write, in its turn.

        Raises:
            ServiceError: the database refuses; nothing is written.
        """
        with self._turns, transaction(self._writing) as connection:
            yield connection

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that only reads.

        Raises:
            ServiceError: the database refuses.
        """
        with transaction(self._reading) as connection:
            yield connection

    def close(self) -> None:
        """Give up all connections."""
        self._writing.dispose()
        self._reading.dispose()


class Turns:
    """A lock that goes to those who wait in the order in which they came, so that a busy one starves nobody."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._taken = False
        self._waiting: deque[threading.Lock] = deque()

    def __enter__(self) -> None:
        with self._guard:
            if not self._taken:
                self._taken = True
                return
            mine = threading.Lock()
            mine.acquire()
            self._waiting.append(mine)
        try:
            mine.acquire()
        except BaseException:  # of a signal: nobody would ever end a turn that is given to who does not wait any more
            self._give_up(mine)
            raise

    def _give_up(self, mine: threading.Lock) -> None:
        with self._guard:
            if mine in self._waiting:
                self._waiting.remove(mine)
                return
        self.__exit__()

    def __exit__(self, *_: object) -> None:
        with self._guard:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._taken = False


def _give_up_soon(connection: Any, _record: object) -> None:
    # While one writer waits for another program all others wait for their turn, the alarm that is to be told of it among them.
    connection.execute(f"PRAGMA busy_timeout={BUSY_S * 1000:.0f}")


def _prepare(connection: Connection) -> None:
    """Make what is missing, columns and indexes as well, and read each table once."""
    METADATA.create_all(connection)
    inspector = inspect(connection)
    for table in METADATA.sorted_tables:
        there = {column["name"] for column in inspector.get_columns(table.name)}
        for column in table.columns:
            if column.name not in there:
                definition = CreateColumn(column).compile(dialect=connection.dialect)
                connection.exec_driver_sql(f"ALTER TABLE {table.name} ADD COLUMN {definition}")
        for index in table.indexes:
            index.create(connection, checkfirst=True)
        connection.execute(select(table).order_by(*reversed(table.primary_key.columns)).limit(1)).all()
