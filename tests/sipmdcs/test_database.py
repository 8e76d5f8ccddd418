"""Engines: who only reads holds up nobody."""

from pathlib import Path

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import OperationalError

from sipmdcs.database import for_reading, make_engine, transaction, unlimited
from sipmdcs.errors import ServiceError
from tests.postgresql import PostgresServer


@pytest.fixture
def url(tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path / 'test.sqlite'}"
    engine = make_engine(url)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE t (n INTEGER)"))
    engine.dispose()
    return url


def impatient(url: str) -> Engine:
    """Gives up a lock at once."""
    engine = make_engine(url)
    with engine.connect() as connection:
        connection.execute(text("PRAGMA busy_timeout=0"))
    return engine


def test_a_long_read_holds_up_no_writer(url: str) -> None:
    reader, writer = for_reading(make_engine(url)), impatient(url)
    with reader.connect() as reading:
        assert reading.scalar(text("SELECT count(*) FROM t")) == 0
        with writer.begin() as writing:
            writing.execute(text("INSERT INTO t VALUES (1)"))
        assert reading.scalar(text("SELECT count(*) FROM t")) == 0, "a transaction reads one state"
    reader.dispose()
    writer.dispose()


def test_writers_queue_from_their_first_statement(url: str) -> None:
    first, second = make_engine(url), impatient(url)
    with first.begin() as connection:
        connection.scalar(text("SELECT count(*) FROM t"))
        with pytest.raises(OperationalError, match="locked"), second.begin():
            pass
    first.dispose()
    second.dispose()


def put_half(engine: Engine) -> None:
    with transaction(engine) as connection:
        connection.execute(text("INSERT INTO t VALUES (1)"))
        connection.execute(text("INSERT INTO u VALUES (1)"))


def test_a_transaction_is_all_or_nothing_and_tells_in_one_line(url: str) -> None:
    engine = make_engine(url)
    with pytest.raises(ServiceError, match=r"^database sqlite:///.*test\.sqlite: no such table: u$"):
        put_half(engine)
    with transaction(engine) as connection:
        assert connection.scalar(text("SELECT count(*) FROM t")) == 0
    engine.dispose()


def test_a_silent_server_is_given_up_and_one_that_is_back_is_used_again(postgresql_to_stop: PostgresServer) -> None:
    engine = make_engine(postgresql_to_stop.url, silence_s=1)
    with transaction(engine) as connection:
        connection.execute(text("CREATE TABLE t (n INTEGER)"))

    def be_cut_off() -> None:
        with transaction(engine) as connection:
            connection.execute(text("INSERT INTO t VALUES (1)"))
            postgresql_to_stop.freeze()
            connection.execute(text("INSERT INTO t VALUES (2)"))

    def sleep(seconds: float) -> None:
        with transaction(engine) as connection:
            connection.execute(text(f"SELECT pg_sleep({seconds})"))

    with pytest.raises(ServiceError, match="the server is silent for 1 s"):
        be_cut_off()
    with pytest.raises(ServiceError, match="timeout expired"):
        sleep(0)
    postgresql_to_stop.thaw()
    with transaction(engine) as connection:
        assert connection.scalar(text("SELECT count(*) FROM t")) == 0
        with unlimited(connection):
            connection.execute(text("SELECT pg_sleep(1.5)"))
    with pytest.raises(ServiceError, match="the server is silent for 1 s"):
        sleep(60)
    engine.dispose()
