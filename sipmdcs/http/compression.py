"""Replies are sent as gzip where the client takes that and it pays, compressed off the event loop."""

from __future__ import annotations

import asyncio
import zlib
from concurrent.futures import Executor
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import Message, Scope, Send

MIN_SIZE = 1_024
"""Bytes below which a body is sent as it is: it fits one packet either way."""
_LEVEL = 4
"""Of zlib: JSON of rows shrinks to a twelfth, at some 100 MB/s."""
_GZIP = 16 + zlib.MAX_WBITS
_OFF_LOOP = 32_768
"""Bytes from which a thread compresses: less takes a fraction of a millisecond."""
_TYPES = ("text/", "application/json", "application/vnd.api+json", "application/javascript", "image/svg+xml")
_EVENTS = "text/event-stream"


class Compressing:
    """Sends one reply."""

    def __init__(self, scope: Scope, send: Send, executor: Executor) -> None:
        self._wanted = scope["method"] != "HEAD" and accepts_gzip(Headers(scope=scope).get("accept-encoding", ""))
        self._send = send
        self._executor = executor
        self._start: Message | None = None
        """Held back until the first piece of the body tells whether it pays."""
        self._stream: Any = None

    async def send(self, message: Message) -> None:
        """As ASGI's ``send``."""
        if message["type"] == "http.response.start":
            if _compressible(message):
                MutableHeaders(raw=message["headers"]).add_vary_header("Accept-Encoding")
                if self._wanted:
                    self._start = message
                    return
            await self._send(message)
            return
        if message["type"] == "http.response.body" and (self._start is not None or self._stream is not None):
            message = await self._compressed(message)
        await self._send(message)

    async def _compressed(self, message: Message) -> Message:
        body, more = message.get("body", b""), message.get("more_body", False)
        start, self._start = self._start, None
        if start is not None:
            if len(body) < MIN_SIZE and not more:
                await self._send(start)
                return message
            self._stream = zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP)
        packed = await self._deflate(body, more)
        if start is not None:
            headers = MutableHeaders(raw=start["headers"])
            headers["Content-Encoding"] = "gzip"
            _without_length(headers)
            if not more:
                headers["Content-Length"] = str(len(packed))
            await self._send(start)
        return {**message, "body": packed}

    async def _deflate(self, body: bytes, more: bool) -> bytes:
        if len(body) < _OFF_LOOP:
            return _deflated(self._stream, body, more)
        return await asyncio.get_running_loop().run_in_executor(self._executor, _deflated, self._stream, body, more)


def accepts_gzip(header: str) -> bool:
    """Whether ``Accept-Encoding`` allows gzip (RFC 9110, 12.5.3)."""
    allowed = False
    for part in header.lower().split(","):
        coding, _, parameter = part.partition(";")
        if coding.strip() in ("gzip", "x-gzip", "*"):
            refused = parameter.replace(" ", "").startswith("q=0") and not parameter.replace(" ", "")[3:].strip(".0")
            if coding.strip() != "*":
                return not refused
            allowed = not refused
    return allowed


def _deflated(stream: Any, body: bytes, more: bool) -> bytes:
    return stream.compress(body) + (b"" if more else stream.flush())


def _compressible(message: Message) -> bool:
    headers = Headers(raw=message.get("headers", []))
    kind = headers.get("content-type", "")
    return (
        message["status"] not in (204, 206, 304)
        and "content-encoding" not in headers
        and kind.startswith(_TYPES)
        and not kind.startswith(_EVENTS)
    )


def _without_length(headers: MutableHeaders) -> None:
    if "content-length" in headers:
        del headers["content-length"]
