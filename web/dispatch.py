"""Which pool a request goes to: that of the slowest source that its answer may need."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from starlette.requests import Request
from starlette.responses import Response

from web.parameters import DEFAULT_LIMIT, read_parameters, words
from web.pools import Pool, Pools
from web.query import MOST_ROWS, Source
from web.reader import Reader
from web.resource import Resource

_LARGE_ROWS = 1_000
"""A page of more rows is a large one."""
_SLOWEST_FIRST = (Source.ARCHIVER, Source.ALARMS, Source.DATABASE, Source.LIVE)
_POOLS = {
    Source.ARCHIVER: Pool.ARCHIVER,
    Source.ALARMS: Pool.ALARMS,
    Source.DATABASE: Pool.DATABASE,
    Source.LIVE: Pool.LIVE,
}


class Dispatcher:
    """Runs handlers off the event loop, each in the pool of its request."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._pools = Pools()

    async def run(self, request: Request, resources: Sequence[Resource], work: Callable[[], Response]) -> Response:
        """What ``work`` replies; ``resources`` are those named in the path, the one of the rows last.

        Raises:
            ApiError: what ``work`` raises, or 503 if its pool is busy.
        """
        reply = await self._pools.run(self._pool(request, resources), request.client.host if request.client else "", work)
        return unless_known(request, reply)

    def _pool(self, request: Request, resources: Sequence[Resource]) -> Pool:
        parameters = read_parameters(request.scope["query_string"])
        asked = {item.name: item.value for item in parameters}
        involved = {
            self._reader.source(item) for item in (*resources, *self._included(resources[-1], asked.get("include", "")))
        }
        slowest = next(source for source in _SLOWEST_FIRST if source in involved)
        if slowest is Source.DATABASE and _rows(request, asked.get("page[limit]")) > _LARGE_ROWS:
            return Pool.LARGE
        return _POOLS[slowest]

    def _included(self, primary: Resource, include: str) -> Iterator[Resource]:
        """Where relationship paths lead; what makes no sense is for the handler to refuse."""
        for path in words(include):
            there = primary
            for name in path.split("."):
                relation = there.relation.get(name)
                if relation is None:
                    break
                there = self._reader.resource(relation.target)
                yield there


def unless_known(request: Request, reply: Response) -> Response:
    """The reply, or in its place that the client has this content already."""
    return _not_modified(reply) if _has(request, reply) else reply


def _rows(request: Request, limit: str | None) -> int:
    if limit is None:
        return MOST_ROWS if request.scope["path"].endswith("/csv") else DEFAULT_LIMIT
    return int(limit) if limit.isdecimal() and len(limit) < 10 else DEFAULT_LIMIT


def _has(request: Request, reply: Response) -> bool:
    """Whether the client has this content already (RFC 9110, 13.1.2; tags compare weakly)."""
    tag = reply.headers.get("etag")
    asked = request.headers.get("if-none-match", "")
    return tag is not None and tag.removeprefix("W/") in {part.strip().removeprefix("W/") for part in asked.split(",")}


def _not_modified(reply: Response) -> Response:
    kept = ("etag", "cache-control", "vary")
    return Response(status_code=304, headers={name: value for name, value in reply.headers.items() if name in kept})
