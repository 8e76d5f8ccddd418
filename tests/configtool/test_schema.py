from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from configtool.parameters import INITIAL
from configtool.schema import HEAD, read_parameters, upgrade
from configtool.tables import Base
from sipmdcs.database import make_engine
from sipmdcs.errors import ServiceError


# SQLite does not tell about indexes on expressions.
@pytest.mark.filterwarnings("ignore:.*expression-based index")
def test_migrations_make_the_tables_of_the_models(engine: Engine) -> None:
    with engine.begin() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "version_table": "config_alembic_version"})
        assert compare_metadata(context, Base.metadata) == []


def test_the_newest_migration_is_the_one_we_ask_for() -> None:
    config = Config()
    config.set_main_option("script_location", "configtool:migrations")
    assert ScriptDirectory.from_config(config).get_heads() == [HEAD]


def test_upgrading_again_changes_nothing(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("UPDATE config_parameter SET tolerance = '0.1' WHERE name = 'BIAS'"))
    upgrade(engine)
    with engine.begin() as connection:
        parameters = read_parameters(connection)
    assert set(parameters) == {parameter.name for parameter in INITIAL}
    assert str(parameters["BIAS"].tolerance) == "0.1"
    assert parameters["VBR"] == next(parameter for parameter in INITIAL if parameter.name == "VBR")


def test_several_processes_may_upgrade_at_once(database_url: str) -> None:
    engines = [make_engine(database_url) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(upgrade, engines)) == [None] * 4
    with engines[0].begin() as connection:
        assert len(read_parameters(connection)) == len(INITIAL)
    for engine in engines:
        engine.dispose()


def test_a_database_of_a_newer_program_is_left_alone(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("UPDATE config_alembic_version SET version_num = '9999'"))
    with pytest.raises(ServiceError, match="made by a newer version of this program"):
        upgrade(engine)


def test_a_database_that_is_not_there() -> None:
    engine = make_engine("postgresql+psycopg://nobody@127.0.0.1:1/none")
    with pytest.raises(ServiceError, match=r"^database postgresql\+psycopg://nobody@127.0.0.1:1/none: connection failed"):
        upgrade(engine)
    engine.dispose()


PREPARE = (
    "INSERT INTO config_version (id, content_hash, author, created_at, message, frozen)"
    " VALUES (1, 'h', 'me', '2026-01-01 00:00:00', '', {false})",
    "INSERT INTO config_setting (version_id, layer, target, parameter, formula) VALUES (1, 0, '', 'BIAS', '1')",
    "UPDATE config_version SET frozen = {true} WHERE id = 1",
    "INSERT INTO config_push (id, version_id, only, state, author, message, reason, host, pid, process_started, started_at)"
    " VALUES (1, 1, '', 'running', 'me', '', '', 'h', 1, 0, '2026-01-01 00:00:00')",
    "INSERT INTO config_push_item (push_id, pv, channel, parameter, phase, readback_pv, target, tolerance, status, error)"
    " VALUES (1, 'A:B', '07.01', 'BIAS', 1, '', 1, 1, 'planned', '')",
    "UPDATE config_push_item SET status = 'written'",
    "UPDATE config_push SET state = 'verified', ended_at = '2026-01-01 00:00:01'",
)


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("UPDATE config_version SET message = 'better'", "a version is never changed"),
        ("UPDATE config_version SET frozen = {false}", "a version is never changed"),
        ("DELETE FROM config_version", "a version is never changed"),
        ("UPDATE config_setting SET formula = '2'", "a version is never changed"),
        ("DELETE FROM config_setting", "a version is never changed"),
        (
            "INSERT INTO config_setting (version_id, layer, target, parameter, formula) VALUES (1, 0, '', 'VBR', '1')",
            "a version is never changed",
        ),
        ("UPDATE config_push SET state = 'running'", "a finished push is never changed"),
        ("UPDATE config_push_item SET target = 2", "a finished push is never changed"),
        ("DELETE FROM config_push_item", "pushes are kept"),
        ("DELETE FROM config_push", "pushes are kept"),
        (
            "INSERT INTO config_push_item SELECT push_id, 'A:C', channel, parameter, phase, readback_pv, target, tolerance,"
            ' "before", before_readback, "after", after_readback, status, error, written_at, checked_at FROM config_push_item',
            "a finished push is never changed",
        ),
    ],
)
def test_the_database_itself_keeps_the_past(engine: Engine, statement: str, message: str) -> None:
    words = {"true": "TRUE", "false": "FALSE"}
    with engine.begin() as connection:
        for line in PREPARE:
            connection.exec_driver_sql(line.format(**words).replace(" only,", ' "only",'))
    with pytest.raises(DBAPIError, match=message), engine.begin() as connection:
        connection.exec_driver_sql(statement.format(**words))


_VERSION = "id, content_hash, author, created_at, message, frozen"


@pytest.mark.parametrize(
    "statement",
    [
        f"INSERT OR REPLACE INTO config_version ({_VERSION}) VALUES (1, 'x', 'me', '2026-01-01 00:00:00', '', 1)",
        f"INSERT OR REPLACE INTO config_version ({_VERSION}) VALUES (9, 'x', 'me', '2026-01-01 00:00:00', '', 1)",
        "INSERT OR REPLACE INTO config_setting SELECT * FROM config_setting",
        "INSERT OR REPLACE INTO config_push SELECT * FROM config_push",
        "INSERT OR REPLACE INTO config_push_item SELECT * FROM config_push_item",
    ],
)
def test_sqlite_replaces_nothing(sqlite: Engine, statement: str) -> None:
    with sqlite.begin() as connection:
        for line in PREPARE:
            connection.exec_driver_sql(line.format(true="TRUE", false="FALSE").replace(" only,", ' "only",'))
    with pytest.raises(DBAPIError, match=r"never changed|pushes are kept"), sqlite.begin() as connection:
        connection.exec_driver_sql(statement)


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
@pytest.mark.parametrize("table", ["config_version", "config_setting", "config_push", "config_push_item"])
def test_postgresql_empties_nothing(engine: Engine, table: str) -> None:
    with pytest.raises(DBAPIError, match=r"never changed|pushes are kept"), engine.begin() as connection:
        connection.exec_driver_sql(f"TRUNCATE {table} CASCADE")


def test_a_database_of_the_version_before_is_brought_up(sqlite: Engine) -> None:
    with sqlite.begin() as connection:
        triggers = [name for (name,) in connection.exec_driver_sql("SELECT name FROM sqlite_master WHERE type = 'trigger'")]
        for name in triggers:
            if "replaced" in name or ("late" in name and "item" in name):
                connection.exec_driver_sql(f"DROP TRIGGER {name}")
        connection.exec_driver_sql("UPDATE config_alembic_version SET version_num = '0001'")
    upgrade(sqlite)
    with sqlite.begin() as connection:
        again = {name for (name,) in connection.exec_driver_sql("SELECT name FROM sqlite_master WHERE type = 'trigger'")}
    assert again == set(triggers)
