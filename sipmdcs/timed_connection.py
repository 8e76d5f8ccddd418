"""A PostgreSQL connection that gives up on a silent server.

``statement_timeout`` is kept by the server, and one that is stopped or cut off keeps nothing. libpq has no time limit for an
answer, and TCP does not notice: the server's kernel goes on acknowledging.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from psycopg import Connection, Error, OperationalError
from sqlalchemy import Engine, event
from sqlalchemy.exc import DisconnectionError

T = TypeVar("T")


class TimedConnection(Connection[Any]):
    """Closes itself, with ``OperationalError``, once the server is silent for ``silence_s`` while an answer is awaited."""

    silence_s = 60.0
    """Seconds; more than the server's own limit on a statement, if it has one."""

    @contextmanager
    def silent_for(self, silence_s: float) -> Iterator[None]:
        """Another limit within."""
        usual, self.silence_s = self.silence_s, silence_s
        try:
            yield
        finally:
            self.silence_s = usual

    def wait(self, gen: Generator[Any, Any, T], *args: Any, **options: Any) -> T:
        """As psycopg's, which calls it for everything but connecting."""
        return super().wait(self._within(gen), *args, **options)

    def _within(self, gen: Generator[Any, Any, T]) -> Generator[Any, Any, T]:
        latest = time.monotonic() + self.silence_s
        try:
            wanted = next(gen)
            while True:
                ready = yield wanted
                now = time.monotonic()
                if ready:
                    latest = now + self.silence_s
                elif now > latest:
                    self.close()
                    raise OperationalError(f"the server is silent for {self.silence_s:g} s")
                wanted = gen.send(ready)
        except StopIteration as done:
            return done.value


def use_timed_connections(engine: Engine, silence_s: float, ping_s: float, ping: Callable[[TimedConnection], object]) -> None:
    """Let every connection of an engine be one that gives up after ``silence_s``.

    ``ping`` is done whenever one is taken from the pool; if that takes longer than ``ping_s``, another one is made.
    """

    def connect(_: object, __: object, arguments: tuple[Any, ...], options: dict[str, Any]) -> TimedConnection:
        connection = TimedConnection.connect(*arguments, **options)
        connection.silence_s = silence_s
        return connection

    def check(connection: TimedConnection, _: object, __: object) -> None:
        try:
            with connection.silent_for(ping_s):
                ping(connection)
        except Error as err:
            raise DisconnectionError("the connection is gone") from err

    event.listen(engine, "do_connect", connect)
    event.listen(engine, "checkout", check)
