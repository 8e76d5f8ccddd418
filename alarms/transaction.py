"""One transaction on the alarm database, its failures as errors that a service waits out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from sipmdcs.errors import ServiceError


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
        raise ServiceError(f"alarm database {engine.url.database} fails: {err.__cause__ or err}") from err
