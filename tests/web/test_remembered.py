"""A remembered reply is the one that would be made now, whatever was written, by whom, and whenever it was committed."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Column, Engine, Integer, MetaData, Table, delete, insert, update
from starlette.responses import Response

from sipmdcs.clock import ManualClock
from sipmdcs.database import make_engine
from sipmdcs.sqltypes import UtcDateTime
from tests.postgresql import PostgresServer
from web.columns import elapsed, moment, whole
from web.query import Filter, Operator, Page, Query, SortKey
from web.readonly import open_for_reading
from web.remembered import Remembered
from web.resource import Resource
from web.sqlcollection import Database

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
NEWEST = Query(RESOURCE.names, sort=(SortKey("number", True),), limit=2)
LONG = Query(("number",), (Filter("duration", Operator.GT, 3.0),))
WRITES = ("open", "ended", "end", "delete")
STEPS = st.lists(st.sampled_from([*WRITES, *WRITES, "begin", "commit", "roll back", "time"]), max_size=15)


@pytest.fixture
def writer(postgresql: PostgresServer) -> Iterator[Engine]:
    engine = make_engine(postgresql.url)
    METADATA.drop_all(engine)
    METADATA.create_all(engine)
    yield engine
    METADATA.drop_all(engine)
    engine.dispose()


class Screen:
    """Asks a question again and again."""

    def __init__(self, database: Database, query: Query) -> None:
        self._database = database
        self._query = query
        self._remembered = Remembered()
        self.made = 0

    def _make(self, page: Page) -> Response:
        self.made += 1
        return Response(json.dumps([dict(row.values) for row in page.rows], default=str))

    def ask(self) -> bytes:
        with self._database.open(RESOURCE, self._query) as page:
            reply = self._remembered.reply(("", "", b""), page, lambda: self._make(page))
        assert "x-added" not in reply.headers
        reply.headers["X-Added"] = "by the edge, to this reply alone"
        return bytes(reply.body)

    def fresh(self) -> bytes:
        with self._database.open(RESOURCE, self._query) as page:
            return bytes(self._make(page).body)


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(STEPS)
def test_a_remembered_reply_is_what_would_be_made_now(writer: Engine, steps: list[str]) -> None:
    clock = ManualClock(round(START.timestamp()) * 10**9)
    database = Database(open_for_reading(writer.url.render_as_string(hide_password=False)), clock)
    screens = [Screen(database, query) for query in (NEWEST, LONG)]
    now, number = START, 0
    with writer.begin() as connection:
        connection.execute(delete(TABLE))
    other = writer.connect()  # whose rows nobody else touches while it has not committed: they would wait for it
    try:
        for step in steps:
            now += timedelta(seconds=2)
            clock.advance(2)
            newest = TABLE.c.number == number
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
                assert screen.ask() == screen.fresh()
                assert screen.ask() == screen.fresh()
    finally:
        other.close()
        database.close()


def test_what_has_ended_is_made_once_and_what_goes_on_each_time(writer: Engine) -> None:
    database = Database(open_for_reading(writer.url.render_as_string(hide_password=False)), ManualClock())
    newest, long = Screen(database, NEWEST), Screen(database, LONG)
    with writer.begin() as connection:
        connection.execute(insert(TABLE).values(number=1, started=START, ended=START + timedelta(seconds=9)))
    replies = {newest.ask() for _ in range(3)}
    assert (len(replies), newest.made) == (1, 1)
    assert [long.ask() for _ in range(3)] == [long.ask()] * 3
    assert long.made == 4, "which runs are long enough follows the present"
    with writer.begin() as connection:
        connection.execute(insert(TABLE).values(number=2, started=START))
    assert (len({newest.ask() for _ in range(3)}), newest.made) == (1, 4), "the clock stands still, but nobody may know"
    database.close()
