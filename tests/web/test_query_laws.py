"""One meaning for queries: rows in memory and rows in either database answer alike."""

from collections.abc import Iterator
from datetime import UTC, datetime
from math import isfinite
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Boolean, Column, Double, Engine, Integer, MetaData, Table, Text, delete, insert

from sipmdcs.clock import ManualClock
from sipmdcs.database import make_engine
from sipmdcs.sqltypes import UtcDateTime
from web.attribute import Attribute, Type
from web.identity import id_filters, row_id
from web.like import read_pattern
from web.memory import answer
from web.query import Filter, Operator, Query, Row, SortKey
from web.readonly import open_for_reading
from web.resource import Resource
from web.sqlcollection import Database
from web.values import BadValue, operators, read_value

METADATA = MetaData()
TABLE = Table(
    "law",
    METADATA,
    Column("number", Integer, primary_key=True),
    Column("value", Double),
    Column("name", Text),
    Column("good", Boolean),
    Column("at", UtcDateTime),
)
RESOURCE = Resource(
    "laws",
    "",
    ("number",),
    tuple(
        Attribute(name, type_, name, "", column=TABLE.c[name])
        for name, type_ in [
            ("number", Type.INTEGER),
            ("value", Type.NUMBER),
            ("name", Type.TEXT),
            ("good", Type.BOOLEAN),
            ("at", Type.TIME),
        ]
    ),
    table=TABLE,
    needs=("law",),
)

TEXTS = st.text(st.sampled_from("aAbB%_\\*?[]^-'\" ;äÄ€😀\n"), max_size=4)
TIMES = st.datetimes(datetime(1990, 1, 1), datetime(2090, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001  made aware here
NUMBERS = st.one_of(st.sampled_from([0.0, -0.0, 1.0, 0.1]), st.floats(-1e9, 1e9, allow_nan=False))
VALUES = {
    "number": st.integers(-(2**63), 2**63 - 1),
    "value": NUMBERS,
    "name": TEXTS,
    "good": st.booleans(),
    "at": TIMES,
}
ROWS = st.lists(st.fixed_dictionaries({name: st.none() | VALUES[name] for name in ("value", "name", "good", "at")}), max_size=8)


@st.composite
def filters(draw: st.DrawFn) -> Filter:
    attribute = draw(st.sampled_from(RESOURCE.attributes))
    choices = [*operators(attribute), Operator.IN]
    chosen = draw(st.sampled_from(choices))
    value: Any = draw(VALUES[attribute.name] if attribute.name != "number" else st.integers(-2, 10) | VALUES["number"])
    if chosen is Operator.LIKE:
        try:
            value = read_pattern(value)
        except ValueError:
            value = read_pattern("%")
    elif chosen is Operator.IN:
        value = (value, draw(VALUES[attribute.name]))
    elif chosen in (Operator.EQ, Operator.NEQ) and draw(st.booleans()):
        value = None
    return Filter(attribute.name, chosen, value)


QUERIES = st.builds(
    Query,
    columns=st.lists(st.sampled_from(RESOURCE.names), unique=True).map(lambda names: list(dict.fromkeys(["number", *names]))),
    filters=st.lists(filters(), max_size=2).map(tuple),
    sort=st.lists(st.builds(SortKey, st.sampled_from(RESOURCE.names), st.booleans()), max_size=3).map(tuple),
    offset=st.integers(0, 4),
    limit=st.integers(1, 9),
    distinct=st.booleans(),
)


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    made = make_engine(database_url)
    METADATA.create_all(made)
    yield made
    made.dispose()


@pytest.mark.timeout(120)
def test_memory_and_sql_answer_alike(engine: Engine) -> None:
    database = Database(open_for_reading(engine.url.render_as_string(hide_password=False)), ManualClock())

    @settings(
        max_examples=150,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
    )
    @given(ROWS, st.lists(QUERIES, min_size=1, max_size=6))
    def law(rows: list[dict[str, Any]], queries: list[Query]) -> None:
        numbered = [{"number": number, **row} for number, row in enumerate(rows)]
        with engine.begin() as connection:
            connection.execute(delete(TABLE))
            if numbered:
                connection.execute(insert(TABLE), numbered)
        for query in queries:
            expected = answer(RESOURCE, map(Row, numbered), query)
            with database.open(RESOURCE, query) as found:
                assert found.total == expected.total
                assert [dict(row.values) for row in found.rows] == [dict(row.values) for row in expected.rows]

    try:
        law()
    finally:
        database.close()


@given(TEXTS)
def test_an_escaped_text_matches_itself_alone(text: str) -> None:
    escaped = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    pattern = read_pattern(escaped)
    assert pattern.matches(text)
    assert not pattern.matches(f"{text}x")


@given(st.tuples(st.integers(-(2**63), 2**63 - 1), st.text(st.characters(codec="utf-8", exclude_characters="\0"))))
def test_an_id_finds_its_row(key: tuple[int, str]) -> None:
    resource = Resource("r", "", ("number", "name"), RESOURCE.attributes)
    id_ = row_id(resource, {"number": key[0], "name": key[1]})
    assert id_.isascii()
    assert not set(id_) & set("/?#%&+ ")
    found = id_filters(resource, id_)
    assert found is not None
    assert tuple(item.value for item in found) == key


@given(st.text())
def test_any_text_as_an_id_is_a_row_or_none(text: str) -> None:
    resource = Resource("r", "", ("number", "name"), RESOURCE.attributes)
    found = id_filters(resource, text)
    assert found is None or row_id(resource, {item.attribute: item.value for item in found}) is not None


@given(st.sampled_from(RESOURCE.attributes), st.sampled_from([*Operator]), st.text())
def test_any_text_is_a_value_or_a_clear_refusal(attribute: Attribute, chosen: Operator, text: str) -> None:
    try:
        value = read_value(attribute, chosen, text)
    except BadValue as err:
        message = str(err)
    else:
        message = ""
        assert not isinstance(value, float) or isfinite(value)
    assert "\n" not in message
