"""Asks PostgreSQL for its snapshot, which says which transactions are seen; in the event loop, so that no thread is woken.

With libpq's own calls: psycopg's asyncio connection costs twice as much, and waits for a silent server when it is cancelled.
"""

from __future__ import annotations

import asyncio

from psycopg import AsyncConnection, Error
from psycopg.pq import ExecStatus
from psycopg.pq.abc import PGconn
from sqlalchemy import URL

_SNAPSHOT = (
    b"SELECT CASE WHEN pg_is_in_recovery() THEN NULL ELSE concat(pg_current_snapshot(), ' ', pg_postmaster_start_time()) END"
)
"""On a stand-by a snapshot does not name the transactions under way; after a restart of the server they count as others."""


class PostgresAsker:
    """See ``dbversion.Asker``."""

    def __init__(self, url: URL) -> None:
        self._url = url.set(drivername="postgresql").render_as_string(hide_password=False)
        self._connection: AsyncConnection | None = None

    async def ask(self) -> str | None:
        try:
            if self._connection is None:
                self._connection = await AsyncConnection.connect(self._url, application_name="sipmdcs version")
            return await _answer(self._connection.pgconn)
        except Error as err:
            raise OSError(str(err)) from err

    def drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.pgconn.finish()


async def _answer(pgconn: PGconn) -> str | None:
    loop = asyncio.get_running_loop()
    readable: asyncio.Future[None] = loop.create_future()

    def read() -> None:
        try:
            pgconn.consume_input()
            if not pgconn.is_busy():
                readable.set_result(None)
        except Error as err:
            readable.set_exception(err)
        if readable.done():
            loop.remove_reader(socket)

    socket = pgconn.socket
    loop.add_reader(socket, read)
    try:
        pgconn.send_query(_SNAPSHOT)
        await readable
    finally:
        loop.remove_reader(socket)
    result = pgconn.get_result()
    if result is None or result.status != ExecStatus.TUPLES_OK or pgconn.get_result() is not None:
        raise OSError("the server does not tell its snapshot")
    value = result.get_value(0, 0)
    return None if value is None else value.decode()
