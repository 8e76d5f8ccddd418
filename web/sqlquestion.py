"""One query to a database within one transaction: its rows, piece by piece, and how many there are."""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, func
from sqlalchemy import select as sql_select

from sipmdcs.clock import Clock
from web.query import Filter, Query, Row
from web.readonly import LIMIT, StatementLimit
from web.resource import Resource
from web.sqlselect import select_count, select_rows

_PIECE = 500
"""Rows read at a time."""
_STREAMED = 1_000
"""Pages of more rows are read through a cursor of the server."""
COUNTED = 10_000
"""Rows that are always counted; beyond, only those up to the end of the page."""
_KEPT_S = 10.0
"""How long the number of more rows than that is remembered."""
_MOST_KEPT = 256

_Key = tuple[str, tuple[Filter, ...]]


class SqlQuestion:
    """A query, on an open connection.

    Args:
        connection: the rest of its transaction is this query's.
        resource: whose rows.
        query: which of them.
        now: the present, for expressions that need it.
    """

    def __init__(self, connection: Connection, resource: Resource, query: Query, now: datetime) -> None:
        self.resource = resource
        self.query = query
        self.now = now
        self._connection = connection
        self._dialect = connection.dialect.name
        chosen_by = [item.attribute for item in (*query.filters, *query.sort)]
        self.moving = any(resource.by_name[name].moving is not None for name in chosen_by)
        """Whether what was read so far follows the present, its choice and order included."""

    def rows(self) -> Iterator[Row]:
        """Rows of the page, read as they are asked for."""
        skip, left = self.query.offset, self.query.limit
        for part in select_rows(self.resource, self.query, self._dialect):
            found = 0
            for row in self._read(part, skip, left):
                found += 1
                yield row
            left -= found
            if left == 0:
                return
            if found:
                skip = 0
            elif skip:
                every = part.order_by(None).limit(None).offset(None)
                skip -= self._scalar(sql_select(func.count()).select_from(every.subquery()))

    def count(self, most: int | None = None) -> int:
        """How many rows match, whatever the page; counting ends beyond ``most``."""
        return self._scalar(select_count(self.resource, self.query, self._dialect, most))

    def _scalar(self, statement: Select[Any]) -> int:
        return int(self._connection.execute(statement, {"now": self.now}).scalar_one())

    def _read(self, statement: Select[Any], offset: int, limit: int) -> Iterator[Row]:
        options = {"stream_results": True} if limit > _STREAMED else {}
        parameters = {"now": self.now, "offset": offset, "limit": limit}
        with self._connection.execute(statement, parameters, execution_options=options) as found:
            for piece in found.partitions(_PIECE):
                with self._unlimited():
                    for row in piece:
                        if not self.query.distinct and row[-1]:
                            self.moving = True
                        yield Row(dict(zip(self.query.columns, row, strict=False)))

    def _unlimited(self) -> Any:
        limit: StatementLimit | None = self._connection.info.get(LIMIT)
        return nullcontext() if limit is None else limit.paused()


@dataclass(frozen=True, slots=True)
class Total:
    """How many rows match."""

    number: int
    at_least: bool
    """Whether there may be more: counting ended there, beyond the end of the page."""
    counted_at: datetime | None = None
    """When, if not now."""


class Totals:
    """Numbers of matching rows. Large ones are remembered for some seconds, because no index counts rows."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: OrderedDict[_Key, tuple[Total, float]] = OrderedDict()

    def of(self, question: SqlQuestion) -> Total:
        """How many rows match: all of them if they are few or the query wants that, else that there are more than some."""
        query = question.query
        end = query.offset + query.limit
        key = question.resource.name, query.filters
        with self._lock:
            total, latest = self._kept.get(key, _NOTHING_KEPT)
        if self._clock.monotonic() < latest and (not total.at_least or (total.number > end and not query.exact_total)):
            return total
        enough = max(COUNTED, end)
        number = question.count(None if query.exact_total else enough)
        total = Total(number, at_least=not query.exact_total and number > enough)
        if number > COUNTED:
            with self._lock:
                self._kept[key] = replace(total, counted_at=question.now), self._clock.monotonic() + _KEPT_S
                self._kept.move_to_end(key)
                while len(self._kept) > _MOST_KEPT:
                    self._kept.popitem(last=False)
        return total


_NOTHING_KEPT = Total(0, at_least=False), -math.inf
