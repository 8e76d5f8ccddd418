"""Answers of many rows: an index finds them, memory stays flat, nobody waits for who does not read, news is told from none."""

import itertools
import json
import re
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta

import psutil
import pytest
from sqlalchemy import Column, Engine, Index, Integer, MetaData, Table, Text, insert, text
from starlette.responses import Response

import logbook.schema
from logbook.tables import Base as LogbookBase
from sipmdcs.clock import ManualClock, to_datetime
from sipmdcs.database import make_engine
from sipmdcs.sqltypes import UtcDateTime
from tests.web.conftest import PORTS, WebSite, make_site
from web import keptbody
from web.attribute import Attribute, Type
from web.errors import ApiError, source_away
from web.keptbody import KeptBody
from web.query import Filter, Operator, Query, SortKey
from web.readonly import open_for_reading
from web.replies import rows_reply
from web.resource import Resource
from web.sqlcollection import Database
from web.sqlquestion import COUNTED, SqlQuestion
from web.sqlselect import select_rows

METADATA = MetaData()
TABLE = Table(
    "long",
    METADATA,
    Column("number", Integer, primary_key=True),
    Column("at", UtcDateTime, nullable=False),
    Column("ended", UtcDateTime),
    Column("name", Text),
    Index("ix_at", "at"),
    Index("ix_ended", "ended"),
)
RESOURCE = Resource(
    "long",
    "",
    ("number",),
    tuple(
        Attribute(name, kind, name, "", column=TABLE.c[name])
        for name, kind in (("number", Type.INTEGER), ("at", Type.TIME), ("ended", Type.TIME), ("name", Type.TEXT))
    ),
    table=TABLE,
    needs=("long",),
)
ROWS = 2 * COUNTED
START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """Twice as many rows as are counted for every query; one of five has not ended."""
    made = make_engine(database_url)
    METADATA.create_all(made)
    rows = [
        {
            "number": i,
            "at": START + timedelta(minutes=i),
            "ended": None if i % 5 == 0 else START + timedelta(minutes=i),
            "name": "x",
        }
        for i in range(ROWS)
    ]
    with made.begin() as connection:
        connection.execute(insert(TABLE), rows)
        connection.execute(text("ANALYZE"))
    yield made
    made.dispose()


def test_an_index_finds_the_newest_rows(engine: Engine) -> None:
    dialect = engine.dialect.name
    explain = "EXPLAIN QUERY PLAN " if dialect == "sqlite" else "EXPLAIN "
    keys = [SortKey(name, descending) for name in ("number", "at", "ended") for descending in (False, True)]
    with engine.connect() as connection:
        for key, filters in itertools.product(keys, [(), (Filter("name", Operator.EQ, "x"),)]):
            question = Query(RESOURCE.names, filters, (key,), limit=20)
            for part in select_rows(RESOURCE, question, dialect):
                compiled = part.limit(20).offset(0).compile(engine, compile_kwargs={"render_postcompile": True})
                parameters = tuple(compiled.params.values()) if dialect == "sqlite" else compiled.params
                plan = "\n".join(str(row) for row in connection.exec_driver_sql(explain + str(compiled), parameters))
                assert not re.search(r"Seq Scan|TEMP B-TREE FOR ORDER BY", plan), f"{question}: {plan}"


def test_rows_without_a_value_come_last_on_every_page(engine: Engine) -> None:
    known = ROWS * 4 // 5
    with engine.connect() as connection:

        def page(offset: int, *, descending: bool) -> list[int]:
            query = Query(("number",), sort=(SortKey("ended", descending),), offset=offset, limit=4)
            return [row.values["number"] for row in SqlQuestion(connection, RESOURCE, query, START).rows()]

        assert page(0, descending=True) == [ROWS - 1, ROWS - 2, ROWS - 3, ROWS - 4]
        assert page(known - 2, descending=True) == [2, 1, 0, 5]
        assert page(known - 2, descending=False) == [ROWS - 2, ROWS - 1, 0, 5]
        assert page(known + 1, descending=True) == [5, 10, 15, 20]
        assert page(ROWS - 1, descending=False) == [ROWS - 5]
        assert page(ROWS, descending=False) == []


def test_many_rows_are_counted_only_for_who_asks(engine: Engine) -> None:
    clock = ManualClock()
    database = Database(open_for_reading(engine.url.render_as_string(hide_password=False)), clock)

    def total(*filters: Filter, offset: int = 0, exact: bool = False) -> tuple[int, bool, datetime | None]:
        with database.open(RESOURCE, Query(("number",), filters, offset=offset, limit=1, exact_total=exact)) as page:
            return page.total, page.at_least, page.counted_at

    few = Filter("number", Operator.LT, 10)
    begin = to_datetime(clock.time_ns())
    assert total() == (COUNTED + 1, True, None)
    assert total(few) == (10, False, None)
    clock.advance(5)
    assert total() == (COUNTED + 1, True, begin), "it says of when this number is"
    after = to_datetime(clock.time_ns())
    assert total(offset=COUNTED + 7) == (COUNTED + 9, True, None), "counted beyond the end of the page, so that next is known"
    assert total(offset=ROWS - 2) == (ROWS, True, None)
    assert total(offset=ROWS - 1) == (ROWS, False, None), "this page is the last one"
    assert total(exact=True) == (ROWS, False, after), "the number that is known is exact"
    with engine.begin() as connection:
        connection.execute(insert(TABLE), [{"number": -1, "at": START, "name": "x"}])
    assert total(few) == (11, False, None), "few rows are counted for every answer"
    clock.advance(11)
    assert total() == (COUNTED + 1, True, None)
    assert total(exact=True) == (ROWS + 1, False, None)
    database.close()


def test_what_is_kept_for_readers_is_bounded_and_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keptbody, "MOST_KEPT", 400_000)
    rows = [{"name": f"{number * 7919 % 1_000_003}" * 5} for number in range(20_000)]

    def replies() -> list[Response]:
        return [rows_reply({"meta": 1}, iter(rows), "application/json") for _ in range(2)]

    kept = replies()
    with pytest.raises(ApiError, match="wait for their readers") as refused:
        replies()
    assert refused.value.status == 503
    del kept
    body = KeptBody()
    body.add(json.dumps(rows).encode())
    assert json.loads(b"".join(body.blocks())) == rows
    body.drop()
    assert len(replies()) == 2, "what was sent or given up is given back"


def test_a_fault_while_rows_are_read_is_no_half_answer() -> None:
    def rows() -> Iterator[dict[str, int]]:
        for number in range(50_000):
            yield {"number": number}
        raise source_away("the query takes too long")

    with pytest.raises(ApiError, match="too long"):
        rows_reply({}, rows(), "application/json")


@pytest.fixture(scope="module")
def many_runs(
    tmp_path_factory: pytest.TempPathFactory, free_ports: Callable[[int], list[int]]
) -> Iterator[tuple[WebSite, psutil.Process]]:
    """The web service of a site with 5,000 runs on SQLite."""
    site = make_site(tmp_path_factory.mktemp("many") / "site", free_ports(len(PORTS)))
    (site.folder / "var").mkdir()
    made = make_engine(f"sqlite:///{site.folder / 'var' / 'sipmdcs.sqlite'}")
    logbook.schema.upgrade(made)
    run = {
        "partition": "p",
        "type": "physics",
        "state": "ended",
        "opened_by": "daq",
        "software_version": "1",
        "ended_by": "",
        "end_reason": "",
    }
    rows = [
        run | {"number": i, "request_key": str(i), "opened_at": START, "ended_at": START, "facts": {"note": f"{i} " * 100}}
        for i in range(1, 5001)
    ]
    with made.begin() as connection:
        connection.execute(insert(LogbookBase.metadata.tables["logbook_run"]), rows)
    made.dispose()
    with site.serving() as process:
        yield site, psutil.Process(process.pid)
    site.http.close()


@pytest.mark.timeout(180)
def test_clients_that_do_not_read_cost_little(many_runs: tuple[WebSite, psutil.Process]) -> None:
    site, service = many_runs
    with ExitStack() as open_sockets:
        assert site.http.get("/api/v1/runs").status_code == 200
        before = service.memory_info().rss
        request = b"GET /api/v1/runs?page[limit]=5000 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
        deaf = []
        for _ in range(64):
            connection = open_sockets.enter_context(socket.create_connection(("127.0.0.1", site.port)))
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.sendall(request)
            deaf.append(connection)
        for connection in deaf:
            connection.settimeout(120)
            assert connection.recv(12, socket.MSG_PEEK).startswith(b"HTTP/1.1 ")
        assert service.memory_info().rss - before < 200_000_000
        fresh = site.http.get("/api/v1/runs?page[limit]=5000")
        assert fresh.status_code == 200, fresh.text
        assert len(fresh.json()["data"]) == 5000
        assert int(fresh.headers.get("content-length", len(fresh.content))) > 0


@pytest.mark.timeout(120)
def test_an_answer_without_news_is_not_sent_again(many_runs: tuple[WebSite, psutil.Process]) -> None:
    site, _ = many_runs
    for path in ("/api/v1/runs?page[limit]=5", "/jsonapi/v1/runs?page[limit]=5000", "/api/v1/runs/csv", "/api/v1/runs/17"):
        first = site.http.get(path)
        known = {"If-None-Match": first.headers["etag"]}
        again = site.http.get(path, headers=known)
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", first.headers["etag"]), path
        assert site.http.get(path, headers={"If-None-Match": 'W/"other"'}).content == first.content
    made = make_engine(f"sqlite:///{site.folder / 'var' / 'sipmdcs.sqlite'}")
    with made.begin() as connection:
        connection.execute(text("UPDATE logbook_run SET events = 5 WHERE number = 17"))
    made.dispose()
    assert site.http.get("/api/v1/runs/17", headers=known).json()["data"]["attributes"]["events"] == 5
    assert site.http.get("/api/v1/none", headers={"If-None-Match": "*"}).status_code == 404
