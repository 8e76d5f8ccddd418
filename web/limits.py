"""What every request has to pass: size and number are limited, all are counted and timed."""

from __future__ import annotations

import time
from http import HTTPStatus

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from web.errorreplies import error_reply
from web.errors import ApiError

LONGEST_URL = 16_384
"""Path and query, bytes."""
LONGEST_BODY = 65_536
"""Nobody needs one at all; clients that send some are not turned away."""
MOST_AT_ONCE = 64
"""Requests in work or waiting for a thread."""


class Counts:
    """Figures of the service."""

    def __init__(self) -> None:
        self.requests = 0
        self.active = 0
        self.refused = 0
        """Answered with 4xx."""
        self.failed = 0
        """Answered with 5xx."""
        self._longest_s = 0.0

    def done(self, status: int, seconds: float) -> None:
        """A request was answered."""
        self.requests += 1
        self.refused += 400 <= status < 500
        self.failed += status >= 500
        self._longest_s = max(self._longest_s, seconds)

    def take_longest_s(self) -> float:
        """The longest time an answer took since the last call, seconds."""
        longest, self._longest_s = self._longest_s, 0.0
        return longest


class Limits:
    """ASGI middleware."""

    def __init__(self, app: ASGIApp, counts: Counts) -> None:
        self._app = app
        self._counts = counts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start = time.monotonic()
        status = 500

        async def counting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        self._counts.active += 1
        try:
            refusal = self._refusal(scope)
            await (self._app if refusal is None else error_reply(scope["path"], refusal))(scope, receive, counting)
        finally:
            self._counts.active -= 1
            self._counts.done(status, time.monotonic() - start)

    def _refusal(self, scope: Scope) -> ApiError | None:
        if len(scope["raw_path"]) + len(scope["query_string"]) > LONGEST_URL:
            return ApiError(HTTPStatus.REQUEST_URI_TOO_LONG, f"path and query are longer than {LONGEST_URL:,} bytes")
        if _body_length(scope) > LONGEST_BODY:
            return ApiError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"the body is longer than {LONGEST_BODY:,} bytes")
        if self._counts.active > MOST_AT_ONCE:
            return ApiError(HTTPStatus.SERVICE_UNAVAILABLE, f"{MOST_AT_ONCE} requests are being answered already; try again")
        return None


def _body_length(scope: Scope) -> int:
    for name, value in scope["headers"]:
        if name == b"content-length":
            return int(value) if value.isdigit() and len(value) < 20 else LONGEST_BODY + 1
    return 0
