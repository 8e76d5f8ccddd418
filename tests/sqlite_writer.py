"""Another program that writes to a SQLite file and does not come to an end."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Hold the one place of a writer; what it wrote is not committed."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("CREATE TABLE half_done (n INTEGER)")
    try:
        yield
    finally:
        connection.execute("ROLLBACK")
        connection.close()
