"""Errors as HTTP replies: ``{"error": "one line"}`` with a status from 400."""

from __future__ import annotations

import errno
import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from sipmdcs.errors import DcsError, ServiceError

JSON_TYPE = "application/json"
"""Without a character set: JSON has only one, and some clients compare the whole header."""
MAX_TEXT = 1_000
"""Characters of an error."""
RETRY_S = "5"
"""When a client may try again what was refused for lack of room."""

_log = logging.getLogger(__name__)


class HttpError(DcsError):
    """A request that is refused with a status of its own."""

    def __init__(self, status: HTTPStatus, message: str, headers: Mapping[str, str] | None = None) -> None:
        self.status = status
        self.headers = dict(headers or {})
        if status in (HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS):
            self.headers.setdefault("Retry-After", RETRY_S)
        super().__init__(message)


Refusal = Callable[[str, HttpError], Response]
"""Writes a refusal of the edge in the dialect of a path."""


def one_line(text: str) -> str:
    """Text as one printable line of limited length."""
    return "".join(char if char.isprintable() else " " for char in text)[:MAX_TEXT].strip()


def error_response(err: HttpError) -> Response:
    """The error as JSON."""
    return Response(json.dumps({"error": one_line(str(err))}), err.status, err.headers, JSON_TYPE)


def refusal(_path: str, err: HttpError) -> Response:
    """As ``Refusal`` of services with one dialect."""
    return error_response(err)


Handler = Callable[[Request, Exception], Awaitable[Response]]


def exception_handlers(statuses: Mapping[type[DcsError], HTTPStatus]) -> Mapping[Any, Handler]:
    """Handlers of a Starlette application.

    Args:
        statuses: of the service's own errors; a ``ServiceError`` is 503 and any other ``DcsError`` 400.
    """

    async def refused(_request: Request, err: Exception) -> Response:
        if isinstance(err, HttpError):
            return error_response(err)
        status = next((status for kind, status in statuses.items() if isinstance(err, kind)), None)
        if status is None:
            status = HTTPStatus.SERVICE_UNAVAILABLE if isinstance(err, ServiceError) else HTTPStatus.BAD_REQUEST
        return error_response(HttpError(status, str(err)))

    async def unavailable(request: Request, err: Exception) -> Response:
        _log.error("%s: %s", request.url.path, err)
        return await refused(request, err)

    return {DcsError: refused, ServiceError: unavailable, HTTPException: not_served, Exception: failed}


async def not_served(request: Request, err: Exception) -> Response:
    """No such path, or another method than it has."""
    if not isinstance(err, HTTPException):
        raise TypeError(type(err).__name__) from err
    return error_response(HttpError(HTTPStatus(err.status_code), err.detail.lower(), err.headers))


def bug(err: Exception) -> HttpError:
    """Anything else is our fault: the log has the traceback, the client one line."""
    found = HttpError(HTTPStatus.INTERNAL_SERVER_ERROR, "this is a bug; the log of the service has more")
    found.__cause__ = err
    return found


_LACKS = {
    errno.ENOMEM: "memory",
    errno.EMFILE: "file descriptors",
    errno.ENFILE: "file descriptors",
    errno.ENOSPC: "disk space",
    errno.EDQUOT: "disk space",
}


def lacking(err: Exception) -> HttpError | None:
    """If it is the machine that has no more of something, what the client is told: to try again."""
    what = "memory" if isinstance(err, MemoryError) else _LACKS.get(err.errno or 0) if isinstance(err, OSError) else None
    if isinstance(err, RuntimeError) and "start new thread" in str(err):
        what = "threads"
    return None if what is None else HttpError(HTTPStatus.SERVICE_UNAVAILABLE, f"no {what} left for this request; try again")


async def failed(_request: Request, err: Exception) -> Response:
    """The reply to a request that met a bug, or a machine without room."""
    return error_response(lacking(err) or bug(err))
