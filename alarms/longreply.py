"""Answers of any length: a short one is made at once, a long one in pieces by threads of their own.

So no event, page or stored change waits for a long answer, and a short one does not wait for a thread.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from functools import partial
from itertools import chain, islice
from typing import Any, ParamSpec, TypeVar

from starlette.responses import Response, StreamingResponse

from sipmdcs.threads import started_pool

_THREADS = 2
_ROWS = 50
"""Written at a time: the interpreter is not given up while a piece is. An answer of no more rows is made on the event loop."""
_BLOCK = 64 * 1024
"""Bytes sent at a time, and all of a reply that is in memory."""
_JSON = "application/json"

P = ParamSpec("P")
R = TypeVar("R")


class Replies:
    """Makes answers; long ones, and what blocks, off the event loop."""

    def __init__(self) -> None:
        self._threads = started_pool(_THREADS, "answers")

    async def call(self, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Do blocking work."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, partial(work, *args, **kwargs))

    async def work(self, size: int, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Do what takes as long as so many rows."""
        return work(*args, **kwargs) if size <= _ROWS else await self.call(work, *args, **kwargs)

    async def rows(self, rows: Iterable[Any], most: int) -> Response:
        """At most so many rows as a JSON array; what they are made from is asked for while a long reply is sent."""
        return await self._reply(_array(rows), most)

    async def document(self, start: Mapping[str, Any], lists: Mapping[str, Iterable[Any]], most: int) -> Response:
        """A JSON object of what is short and of lists that have at most so many items each."""
        members = [[f"{_text(name)}:{_text(value)}"] for name, value in start.items()]
        members += [chain([f"{_text(name)}:"], _array(rows)) for name, rows in lists.items()]
        return await self._reply(chain(["{"], *_separated(members), ["}"]), most)

    async def _reply(self, pieces: Iterator[str], most: int) -> Response:
        block, more = await self.work(most, _block, pieces)
        return StreamingResponse(self._blocks(block, pieces), media_type=_JSON) if more else Response(block, media_type=_JSON)

    async def _blocks(self, first: bytes, pieces: Iterator[str]) -> AsyncIterator[bytes]:
        block, more = first, True
        while more:
            yield block
            block, more = await self.call(_block, pieces)
        yield block


def _block(pieces: Iterator[str]) -> tuple[bytes, bool]:
    """The next bytes, and whether there may be more."""
    block = bytearray()
    for piece in pieces:
        block += piece.encode()
        if len(block) >= _BLOCK:
            return bytes(block), True
    return bytes(block), False


def _array(rows: Iterable[Any]) -> Iterator[str]:
    yield "["
    left, separator = iter(rows), ""
    while some := list(islice(left, _ROWS)):
        yield separator + _text(some)[1:-1]
        separator = ","
    yield "]"


def _separated(members: Iterable[Iterable[str]]) -> Iterator[Iterable[str]]:
    for number, member in enumerate(members):
        yield chain([","], member) if number else member


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
