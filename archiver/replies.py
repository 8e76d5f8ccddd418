"""HTTP replies, and errors as replies."""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from archiver.errors import BadQuery, NothingFound
from sipmdcs.errors import DcsError

logger = logging.getLogger(__name__)

Handler = Callable[[Request], Awaitable[Response]]


def json_reply(content: object) -> Response:
    """JSON with exactly ``application/json`` as type: PyDM takes nothing else."""
    return Response(json.dumps(content), media_type="application/json")


async def bad_query(request: Request, err: Exception) -> Response:
    """400 and one line."""
    return PlainTextResponse(f"{err}\n", 400)


async def nothing_found(request: Request, err: Exception) -> Response:
    """404 and one line."""
    return PlainTextResponse(f"{err}\n", 404)


async def failed(request: Request, err: Exception) -> Response:
    """503 and one line, for what is not the client's fault."""
    logger.error("%s: %s", request.url.path, err)
    return PlainTextResponse(f"{err}\n", 503)


ERROR_HANDLERS = {BadQuery: bad_query, NothingFound: nothing_found, DcsError: failed}
