"""The migrations make exactly the tables that the program knows, on both databases."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, select, text
from sqlalchemy.exc import DatabaseError

from logbook.run_query import RunFilter, runs_query
from logbook.schema import upgrade
from logbook.tables import Base, Downtime, Run
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


RUNS = """
INSERT INTO logbook_run (number, request_key, partition, type, state, opened_at, started_at, ended_at, opened_by, ended_by,
    end_reason, config_hash, software_version, facts, summary)
SELECT n, 'k' || n, CASE WHEN n / 10 * 10 = n THEN 'SCAN' ELSE 'MAIN' END, 'physics', 'ended', {at}, {at}, {at}, 'a', 'a', '',
    '', '1', '{{}}', 'done' FROM {numbers}
"""
DOWNTIMES = """
INSERT INTO logbook_downtime (id, request_key, detector, run, started_at, ended_at, category, description, user_name, source,
    created_at, revision)
SELECT n, 'k' || n, 'VETO', n, {at}, {at}, 'DAQ', '', '', 'automatic', {at}, 1 FROM {numbers}
"""
FILL = {
    "postgresql": {"at": "TIMESTAMPTZ '2026-01-01' + n * INTERVAL '1 min'", "numbers": "generate_series(1, 20000) AS g(n)"},
    "sqlite": {
        "at": "strftime('%Y-%m-%d %H:%M:%f000', '2026-01-01', '+' || n || ' minutes')",
        "numbers": "(WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 20000) SELECT n FROM c)",
    },
}
AT = datetime(2026, 1, 14, tzinfo=UTC)
NEWEST_BEFORE = select(Run.number).where(Run.opened_at <= AT).order_by(Run.opened_at.desc(), Run.number.desc()).limit(1)
QUERIES = {
    "newest runs": runs_query(RunFilter(limit=20)),
    "runs until": runs_query(RunFilter(until=AT, limit=20)),
    "runs since": select(Run.number).where(Run.ended_at > AT + timedelta(hours=20)),
    "started between": select(Run.number).where(Run.started_at.between(AT, AT + timedelta(hours=1))),
    "newest of a partition": select(Run.number).where(Run.partition == "SCAN").order_by(Run.number.desc()).limit(1),
    "run before a stop": NEWEST_BEFORE.where(Run.partition.in_(["MAIN"])),
    "downtimes of a run": select(Downtime.id).where(Downtime.run == 4711),
    "downtimes since": select(Downtime.id).where(Downtime.started_at > AT + timedelta(hours=20)),
    "downtime out of order": select(Downtime.id)
    .where(Downtime.detector == "VETO", Downtime.ended_at > AT)
    .order_by(Downtime.ended_at.desc())
    .limit(1),
}


@pytest.fixture
def filled(database_url: str) -> Iterator[Connection]:
    """20,000 runs and downtimes."""
    engine = make_engine(database_url)
    upgrade(engine)
    with engine.begin() as connection:
        for statement in (RUNS, DOWNTIMES):
            connection.exec_driver_sql(statement.format(**FILL[engine.dialect.name]))
        connection.exec_driver_sql("ANALYZE")
    with engine.connect() as connection:
        yield connection
    engine.dispose()


def test_runs_and_downtimes_are_found_by_index(filled: Connection) -> None:
    for name, query in QUERIES.items():
        text_of = query.compile(filled.engine, compile_kwargs={"literal_binds": True})
        prefix = "EXPLAIN" if filled.dialect.name == "postgresql" else "EXPLAIN QUERY PLAN"
        plan = [str(row[-1]) for row in filled.exec_driver_sql(f"{prefix} {text_of}")]
        # A SQLite table is the index of its own key: runs are listed from its end.
        in_order = name in {"newest runs", "runs until"} and plan == ["SCAN logbook_run"]
        assert in_order or any("Index" in line or "USING" in line or "PRIMARY KEY" in line for line in plan), (name, plan)
        assert not any("Seq Scan" in line or line.lstrip(" ->").startswith("Sort  (") for line in plan), (name, plan)


def test_a_run_number_is_never_given_back(database_url: str) -> None:
    engine = make_engine(database_url)
    upgrade(engine)
    with engine.begin() as connection:
        connection.execute(text("UPDATE logbook_counter SET value = value + 5"))
    with pytest.raises(DatabaseError, match="given out once"), engine.begin() as connection:
        connection.execute(text("UPDATE logbook_counter SET value = value - 1"))
    engine.dispose()
