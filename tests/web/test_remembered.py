"""A remembered reply is the one that would be made now, whatever was written, by whom, and whenever it was committed."""

import asyncio
from collections.abc import Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Column, Engine, Integer, MetaData, Table, delete, insert, make_url, update
from starlette.requests import Request

from sipmdcs.clock import ManualClock
from sipmdcs.database import make_engine
from sipmdcs.dbversion import DatabaseVersion
from sipmdcs.sqltypes import UtcDateTime
from tests.postgresql import PostgresServer
from web.catalogue import Catalogue
from web.columns import elapsed, moment, whole
from web.oms import Oms
from web.query import Page, Query
from web.reader import Reader
from web.readonly import open_for_reading
from web.resource import Resource
from web.sqlcollection import Database, SqlCollection

METADATA = MetaData()
TABLE = Table(
    "remembered",
    METADATA,
    Column("number", Integer, primary_key=True),
    Column("started", UtcDateTime, nullable=False),
    Column("ended", UtcDateTime),
)
RESOURCE = Resource(
    "remembered",
    "",
    ("number",),
    (
        whole("number", "", "", TABLE.c.number),
        moment("ended", "", "", TABLE.c.ended),
        elapsed("duration", "", "", TABLE.c.started, TABLE.c.ended),
    ),
    table=TABLE,
    needs=("remembered",),
)
START = datetime(2026, 1, 1, tzinfo=UTC)
NEWEST = "sort=-number&page[limit]=2"
LONG = "fields=number&filter[duration][GT]=3"
WRITES = ("open", "ended", "end", "delete")
STEPS = st.lists(st.sampled_from([*WRITES, *WRITES, "begin", "commit", "roll back", "time"]), max_size=15)


@pytest.fixture
def writer(database_url: str) -> Iterator[Engine]:
    engine = make_engine(database_url)
    METADATA.drop_all(engine)
    METADATA.create_all(engine)
    yield engine
    METADATA.drop_all(engine)
    engine.dispose()


class Counting(SqlCollection):
    """Counts how often its rows were read."""

    def __init__(self, database: Database) -> None:
        super().__init__(RESOURCE, database)
        self.read = 0

    def open(self, query: Query) -> AbstractContextManager[Page]:
        self.read += 1
        return super().open(query)


class Screen:
    """Asks a question again and again."""

    def __init__(self, database: Database, question: str) -> None:
        self._rows = Counting(database)
        self._oms = self._new()
        self._question = question

    def _new(self) -> Oms:
        return Oms(Reader(Catalogue([self._rows])))

    @property
    def made(self) -> int:
        return self._rows.read

    def _ask(self, oms: Oms, version: str | None) -> bytes:
        scope = {"type": "http", "path": "/api/v1/remembered", "query_string": self._question.encode(), "headers": []}
        request = Request(scope)
        reply = oms.remembered(request, version) or oms.collection(request, RESOURCE, version)
        assert "x-added" not in reply.headers
        reply.headers["X-Added"] = "by the edge, to this reply alone"
        return bytes(reply.body)

    async def ask(self) -> bytes:
        return self._ask(self._oms, await self._rows.version())

    def fresh(self) -> bytes:
        return self._ask(self._new(), None)


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(STEPS)
async def test_a_remembered_reply_is_what_would_be_made_now(writer: Engine, steps: list[str]) -> None:
    clock = ManualClock(round(START.timestamp()) * 10**9)
    database = Database(open_for_reading(writer.url.render_as_string(hide_password=False)), clock)
    screens = [Screen(database, query) for query in (NEWEST, LONG)]
    now, number = START, 0
    with writer.begin() as connection:
        connection.execute(delete(TABLE))
    alone = writer.dialect.name == "sqlite"
    other = writer.connect()  # whose rows nobody else touches while it has not committed: they would wait for it
    try:
        for step in steps:
            now += timedelta(seconds=2)
            clock.advance(2)
            newest = TABLE.c.number == number
            if alone and other.in_transaction() and step in WRITES:
                continue  # SQLite has one writer at a time
            match step:
                case "open" | "ended":
                    number += 1
                    ended = None if step == "open" else now
                    work = insert(TABLE).values(number=number, started=now - timedelta(seconds=1), ended=ended)
                case "end":
                    work = update(TABLE).where(newest, TABLE.c.ended.is_(None)).values(ended=now)
                case "delete":
                    work = delete(TABLE).where(TABLE.c.number == number - 3, TABLE.c.ended.is_(None))
                case _:
                    work = None
            if work is not None:
                with writer.begin() as connection:
                    connection.execute(work)
            elif step == "begin" and not other.in_transaction():
                number += 1
                other.execute(insert(TABLE).values(number=number, started=now, ended=now))
            elif step == "commit":
                other.commit()
            elif step == "roll back":
                other.rollback()
            for screen in screens:
                assert await screen.ask() == screen.fresh()
                assert await screen.ask() == screen.fresh()
    finally:
        other.close()
        database.close()


async def test_what_has_ended_is_made_once_and_what_goes_on_each_time(writer: Engine) -> None:
    database = Database(open_for_reading(writer.url.render_as_string(hide_password=False)), ManualClock())
    newest, long = Screen(database, NEWEST), Screen(database, LONG)
    with writer.begin() as connection:
        connection.execute(insert(TABLE).values(number=1, started=START, ended=START + timedelta(seconds=9)))
    replies = {await newest.ask() for _ in range(3)}
    assert (len(replies), newest.made) == (1, 1)
    assert len({await long.ask() for _ in range(4)}) == 1
    assert long.made == 4, "which runs are long enough follows the present"
    with writer.begin() as connection:
        connection.execute(insert(TABLE).values(number=2, started=START))
    assert len({await newest.ask() for _ in range(3)}) == 1
    assert newest.made == 4, "the clock stands still, but nobody may know"
    database.close()


async def test_a_file_restored_from_a_backup_has_another_version(tmp_path: Path) -> None:
    path, backup = tmp_path / "test.sqlite", tmp_path / "backup.sqlite"
    for each in (path, backup):
        engine = make_engine(f"sqlite:///{each}")
        METADATA.create_all(engine)
        engine.dispose()
    version = DatabaseVersion(make_url(f"sqlite:///{path}"))
    before = await version.now()
    assert before is not None
    assert set(await asyncio.gather(*(version.now() for _ in range(20)))) == {before}
    backup.replace(path)
    assert await version.now() not in (None, before)
    path.unlink()
    assert await version.now() is None
    version.close()


async def test_a_server_that_was_away_tells_its_version_again(postgresql_to_stop: PostgresServer) -> None:
    version = DatabaseVersion(make_url(postgresql_to_stop.url))
    before = await version.now()
    assert before is not None
    assert set(await asyncio.gather(*(version.now() for _ in range(20)))) == {before}
    postgresql_to_stop.stop()
    assert await version.now() is None
    postgresql_to_stop.start()
    assert await version.now() not in (None, before), "what was committed between is not known"
    version.close()


async def test_an_answer_that_comes_too_late_is_not_taken_for_the_next_one(postgresql: PostgresServer) -> None:
    version = DatabaseVersion(make_url(postgresql.url))
    engine = make_engine(postgresql.url)
    METADATA.create_all(engine)
    for number in range(100):
        asking = asyncio.create_task(version.now())
        for _ in range(number % 7):
            await asyncio.sleep(0)
        asking.cancel()
        before = await version.now()
        with engine.begin() as connection:
            connection.execute(insert(TABLE).values(number=number, started=START))
        assert await version.now() not in (None, before)
    METADATA.drop_all(engine)
    engine.dispose()
    version.close()
