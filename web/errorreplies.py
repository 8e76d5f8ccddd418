"""Errors as HTTP replies, in the media type of the dialect that was asked."""

from __future__ import annotations

from http import HTTPStatus

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from sipmdcs.http.errors import HttpError, bug, lacking
from web.errors import ApiError
from web.jsonapi import BASE, MEDIA_TYPE
from web.methods import ALLOWED
from web.negotiation import VARY
from web.replies import document_reply


def error_reply(path: str, err: HttpError) -> Response:
    """The reply to a request for ``path``, of the API or of the edge before it."""
    strict = f"{path}/".startswith(f"{BASE}/")
    said = err if isinstance(err, ApiError) else ApiError(err.status, str(err))
    headers = err.headers | (dict(VARY) if strict else {})
    return document_reply(said.document(), MEDIA_TYPE if strict else "application/json", status=err.status, headers=headers)


async def on_api_error(request: Request, err: Exception) -> Response:
    """What a handler says."""
    if not isinstance(err, ApiError):
        raise TypeError(type(err).__name__) from err
    return error_reply(_path(request), err)


async def on_http_error(request: Request, err: Exception) -> Response:
    """No such path, or another method than GET; OPTIONS is told which there are."""
    if not isinstance(err, HTTPException):
        raise TypeError(type(err).__name__) from err
    status = HTTPStatus(err.status_code)
    headers = dict(err.headers or {})
    if status is HTTPStatus.METHOD_NOT_ALLOWED:
        headers["Allow"] = ALLOWED
        if request.method == "OPTIONS":
            return Response(status_code=HTTPStatus.NO_CONTENT, headers=headers)
    what = {
        HTTPStatus.NOT_FOUND: f"there is nothing at {request.url.path}",
        HTTPStatus.METHOD_NOT_ALLOWED: f"{request.method} is not allowed: this interface can only be read",
    }
    reply = error_reply(_path(request), ApiError(status, what.get(status, status.description or status.phrase)))
    reply.headers.update(headers)
    return reply


async def on_bug(request: Request, err: Exception) -> Response:
    """Anything else is our fault, or that of a machine without room; the log has it, the client one line."""
    return error_reply(_path(request), lacking(err) or bug(err))


def _path(request: Request) -> str:
    """The path without what a proxy puts before it."""
    return str(request.scope["path"]).removeprefix(request.scope.get("root_path", ""))
