"""A limit on what a request may bring, kept before its body is in memory."""

from __future__ import annotations

import json

from starlette.types import ASGIApp, Message, Receive, Scope, Send

_MOST_IGNORED = 64_000_000
"""Bytes of a body that is too large that are taken and forgotten before the connection is closed."""


class _TooLarge(Exception):
    """The body goes beyond the limit."""


class BodyLimit:
    """Refuses requests whose body is too large, with status 413, before it is in memory."""

    def __init__(self, application: ASGIApp, limit: int) -> None:
        """Put it around ``application``.

        Args:
            application: what answers the others.
            limit: of the body, bytes.
        """
        self._application = application
        self._limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection, as ASGI asks."""
        if scope["type"] != "http":
            await self._application(scope, receive, send)
            return
        size = 0
        more = True
        answering = False

        async def counted() -> Message:
            nonlocal size, more
            message = await receive()
            size += len(message.get("body", b""))
            more = message.get("more_body", False)
            if size > self._limit:
                raise _TooLarge
            return message

        async def noted(message: Message) -> None:
            nonlocal answering
            answering = True
            await send(message)

        try:
            await self._application(scope, counted, noted)
        except _TooLarge:
            # Who is still sending does not listen yet: an answer before the end would be lost with the connection.
            while more and size < self._limit + _MOST_IGNORED:
                message = await receive()
                size += len(message.get("body", b""))
                more = message.get("more_body", False)
            if not answering:
                await self._refuse(send)

    async def _refuse(self, send: Send) -> None:
        body = json.dumps({"error": f"the body is larger than {self._limit} bytes"}).encode()
        headers = [(b"content-type", b"application/json"), (b"connection", b"close")]
        await send({"type": "http.response.start", "status": 413, "headers": headers})
        await send({"type": "http.response.body", "body": body})
