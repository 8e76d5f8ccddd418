"""The web service cannot write: neither SQL, by engine and by privilege, nor PVs, by what it holds."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import yaml
from click.testing import CliRunner, Result
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

import web
from sipmdcs.channels_fake import FakeChannels
from sipmdcs.cli import main
from sipmdcs.clock import SystemClock
from sipmdcs.database import make_engine
from tests.postgresql import PostgresServer
from tests.web.conftest import WebSite, own_database
from web.bulkhead import NoAnswer
from web.live import Live
from web.query import Query
from web.readonly import open_for_reading
from web.resource import Resource
from web.sqlcollection import Database

WRITES = (
    "INSERT INTO kept VALUES (2)",
    "UPDATE kept SET number = 3",
    "DELETE FROM kept",
    "CREATE TABLE another (number INTEGER)",
    "DROP TABLE kept",
)


@pytest.fixture
def owner(database_url: str) -> Iterator[Engine]:
    engine = make_engine(database_url)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE kept (number INTEGER)"))
        connection.execute(text("INSERT INTO kept VALUES (1)"))
    yield engine
    engine.dispose()


@pytest.mark.parametrize("statement", WRITES)
def test_a_write_through_the_engine_fails(owner: Engine, database_url: str, statement: str) -> None:
    engine = open_for_reading(database_url)
    try:
        with engine.connect() as connection, pytest.raises(DBAPIError):
            connection.execute(text(statement))
        with engine.connect() as connection:
            assert connection.scalar(text("SELECT sum(number) FROM kept")) == 1
    finally:
        engine.dispose()


@pytest.mark.parametrize("statement", WRITES)
def test_the_role_cannot_write_even_in_a_transaction_that_may(elsewhere: WebSite, statement: str) -> None:
    site = yaml.safe_load((elsewhere.folder / "site.yaml").read_text())
    writing = statement.replace("kept", "logbook_run").replace("VALUES (2)", "SELECT * FROM logbook_run")
    engine = make_engine(site["web"]["database"])
    try:
        with engine.connect() as connection:
            connection.execute(text("SET TRANSACTION READ WRITE"))
            assert connection.scalar(text("SELECT count(*) FROM logbook_run")) == 25
            with pytest.raises(DBAPIError, match=r"permission denied|must be owner"):
                connection.execute(text(writing.replace("number = 3", "events = 3")))
    finally:
        engine.dispose()


def test_the_role_reads_tables_made_later(elsewhere: WebSite) -> None:
    site = yaml.safe_load((elsewhere.folder / "site.yaml").read_text())
    owner, role = make_engine(site["database"]), make_engine(site["web"]["database"])
    with owner.begin() as connection:
        connection.execute(text("CREATE TABLE later (number INTEGER)"))
    with role.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM later")) == 0
    with owner.begin() as connection:
        connection.execute(text("DROP TABLE later"))
    owner.dispose()
    role.dispose()


def test_grant_prints_sql_without_the_password_and_refuses_what_makes_no_sense(
    tmp_path: Path, postgresql: PostgresServer, detector: WebSite
) -> None:
    def grant(site: Path, *arguments: str) -> Result:
        return CliRunner().invoke(main, ["--site", str(site), "web", "grant", *arguments])

    refused = grant(detector.folder)
    assert refused.exit_code == 1
    assert "web.database: is not set" in refused.stderr
    url = own_database(postgresql, "web_grant")
    folder = tmp_path / "site"
    folder.mkdir()
    site = yaml.safe_load((detector.folder / "site.yaml").read_text()) | {"database": url}
    role = url.replace("postgres@", "reader:se%27cret@")
    (folder / "site.yaml").write_text(yaml.safe_dump(site | {"web": {"port": 1, "database": role}}))
    printed = grant(folder)
    assert printed.exit_code == 0, printed.stderr
    assert 'GRANT SELECT ON ALL TABLES IN SCHEMA public TO "reader";' in printed.stdout
    assert "cret" not in printed.stdout
    for _ in range(2):
        done = grant(folder, "--execute")
        assert done.exit_code == 0, done.stderr
    (folder / "site.yaml").write_text(yaml.safe_dump(site | {"web": {"port": 1, "database": url}}))
    assert "owns the tables" in grant(folder).stderr


def make_database(url: str) -> None:
    """An empty one; of SQLite the file."""
    engine = make_engine(url)
    engine.connect().close()
    engine.dispose()


def test_a_statement_that_takes_too_long_is_ended(database_url: str) -> None:
    engine = open_for_reading(database_url, timeout_s=0.3)
    forever = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
    make_database(database_url)
    try:
        with engine.connect() as connection, pytest.raises(DBAPIError, match=r"interrupted|canceling statement"):
            connection.execute(text(forever))
    finally:
        engine.dispose()


def test_a_database_that_is_not_made_yet_is_empty(tmp_path: Path) -> None:
    path = tmp_path / "none.sqlite"
    database = Database(open_for_reading(f"sqlite:///{path}"), SystemClock())
    resource = Resource("things", "", (), (), needs=("things",))

    def warnings() -> tuple[str, ...]:
        with database.open(resource, Query(())) as page:
            assert not [*page.rows]
            return page.warnings

    assert warnings() == ("things is empty: there is no database yet",)
    assert not path.exists()
    make_database(f"sqlite:///{path}")
    assert warnings() == ("things is empty: the database has no table things yet",)
    database.close()


def test_a_file_that_is_no_database_does_not_answer(tmp_path: Path) -> None:
    path = tmp_path / "torn.sqlite"
    path.write_bytes(b"no database " * 1000)
    database = Database(open_for_reading(f"sqlite:///{path}"), SystemClock())
    with pytest.raises(NoAnswer):
        database.probe()
    path.unlink()
    make_database(f"sqlite:///{path}")
    database.probe()
    database.close()


def test_what_listens_has_nothing_to_put_with() -> None:
    pvs = FakeChannels()
    pvs.add("A", 1.0)
    live = Live(pvs.capture(["A"]), SystemClock())
    try:
        for held in (live, *(value for value in vars(live).values() if not isinstance(value, np.ndarray))):
            assert not hasattr(held, "put")
            assert not hasattr(held, "post")
    finally:
        live.close()
    for source in Path(web.__file__).parent.glob("*.py"):
        assert ".put(" not in source.read_text("utf-8"), source


def test_statements_stay_prepared_until_one_fails(postgresql: PostgresServer) -> None:
    engine = open_for_reading(postgresql.url)
    question, count = text("SELECT CAST(:number AS integer) + 1"), text("SELECT count(*) FROM pg_prepared_statements")

    def ask(number: int) -> int:
        with engine.connect() as connection:
            return connection.execute(question, {"number": number}).scalar_one()

    def is_prepared() -> bool:
        with engine.connect() as connection:
            return connection.execute(count).scalar_one() > 0

    assert [ask(number) for number in range(10)] == list(range(1, 11))
    assert is_prepared()
    with pytest.raises(DBAPIError, match="division by zero"), engine.connect() as connection:
        connection.execute(text("SELECT 1 / 0"))
    assert not is_prepared(), "what failed may be one that a change of the tables spoilt"
    assert ask(1) == 2
    with engine.connect() as connection:
        ours = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
    admin = make_engine(postgresql.url)
    with admin.connect() as connection:
        state = text("SELECT state FROM pg_stat_activity WHERE pid = :pid")
        assert connection.execute(state, {"pid": ours}).scalar_one() == "idle", "no transaction stays open"
    admin.dispose()
    engine.dispose()
