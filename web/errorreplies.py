"""Errors as HTTP replies, in the media type of the dialect that was asked."""

from __future__ import annotations

from http import HTTPStatus

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from web.errors import ApiError
from web.jsonapi import BASE, MEDIA_TYPE
from web.methods import ALLOWED
from web.negotiation import VARY
from web.replies import document_reply

_RETRY_S = 5
"""Where nothing better is known."""


def error_reply(path: str, err: ApiError) -> Response:
    """The reply to a request for ``path``."""
    strict = path.startswith(BASE)
    headers = dict(VARY) if strict else {}
    if err.status is HTTPStatus.SERVICE_UNAVAILABLE:
        headers["Retry-After"] = str(_RETRY_S if err.retry_s is None else err.retry_s)
    return document_reply(err.document(), MEDIA_TYPE if strict else "application/json", status=err.status, headers=headers)


async def on_api_error(request: Request, err: Exception) -> Response:
    """What a handler says."""
    if not isinstance(err, ApiError):
        raise TypeError(type(err).__name__) from err
    return error_reply(request.url.path, err)


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
    reply = error_reply(request.url.path, ApiError(status, what.get(status, status.description or status.phrase)))
    reply.headers.update(headers)
    return reply


async def on_bug(request: Request, err: Exception) -> Response:
    """Anything else is our fault; the log has it, the client one line."""
    return error_reply(
        request.url.path, ApiError(HTTPStatus.INTERNAL_SERVER_ERROR, "this is a bug; the log of the service has more")
    )
