"""The migrations make exactly the tables that the program knows, on both databases."""

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from analysis.schema import upgrade
from analysis.tables import Base
from sipmdcs.database import make_engine


def test_migrations_and_tables_agree(database_url: str) -> None:
    engine = make_engine(database_url)
    upgrade(engine)
    upgrade(engine)
    with engine.connect() as connection:
        options = {"version_table": "analysis_alembic_version", "compare_type": True}
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, Base.metadata) == []
    engine.dispose()
