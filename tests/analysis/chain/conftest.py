"""A site with a real database, raw results of known truth, and the service in a process of its own."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from analysis.schema import upgrade
from sipmdcs.database import make_engine
from tests.analysis.chain.bench import Bench


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """A database with all tables, once SQLite and once PostgreSQL."""
    made = make_engine(database_url)
    upgrade(made)
    yield made
    made.dispose()


@pytest.fixture
def bench(tmp_path: Path, free_ports: Callable[[int], list[int]]) -> Iterator[Bench]:
    """The site on SQLite, nothing started."""
    made = Bench(tmp_path / "site", free_ports(2))
    yield made
    made.stop()
