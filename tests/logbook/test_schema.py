"""The migrations make exactly the tables that the program knows, on both databases."""

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text
from sqlalchemy.exc import DatabaseError

from logbook.schema import upgrade
from logbook.tables import Base
from sipmdcs.database import make_engine


def test_migrations_and_tables_agree(database_url: str) -> None:
    engine = make_engine(database_url)
    upgrade(engine)
    upgrade(engine)
    with engine.connect() as connection:
        options = {"version_table": "logbook_alembic_version", "compare_type": True}
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, Base.metadata) == []
    engine.dispose()


def test_a_run_number_is_never_given_back(database_url: str) -> None:
    engine = make_engine(database_url)
    upgrade(engine)
    with engine.begin() as connection:
        connection.execute(text("UPDATE logbook_counter SET value = value + 5"))
    with pytest.raises(DatabaseError, match="given out once"), engine.begin() as connection:
        connection.execute(text("UPDATE logbook_counter SET value = value - 1"))
    engine.dispose()
