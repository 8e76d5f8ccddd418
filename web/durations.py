"""The present, and seconds between two times, in SQL; alike on SQLite and PostgreSQL."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Double, bindparam
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from sipmdcs.sqltypes import UtcDateTime

NOW = bindparam("now", type_=UtcDateTime)
"""The present, in the SQL expression of an attribute."""


class seconds_between(FunctionElement[float]):  # noqa: N801  a function of SQL
    """``seconds_between(start, end)``, rounded to milliseconds: what SQLite's date functions resolve."""

    type = Double()
    inherit_cache = True
    name = "seconds_between"


@compiles(seconds_between, "sqlite")
def _sqlite(element: seconds_between, compiler: SQLCompiler, **options: Any) -> str:
    start, end = (compiler.process(clause, **options) for clause in element.clauses)
    return f"round((julianday({end}) - julianday({start})) * 86400.0, 3)"


@compiles(seconds_between, "postgresql")
def _postgresql(element: seconds_between, compiler: SQLCompiler, **options: Any) -> str:
    start, end = (compiler.process(clause, **options) for clause in element.clauses)
    return f"round(extract(epoch from ({end}) - ({start}))::numeric, 3)::float8"
