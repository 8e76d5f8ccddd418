"""uvicorn's HTTP protocol with a limit on the head of a request, kept while it comes in.

Middleware sees a request only once its head is in memory. Here one that is too long is answered as soon as that is known; what
the client still sends is read and thrown away for a while, because a connection closed with unread data loses the answer (RFC
9112, 9.6).
"""

from __future__ import annotations

from http import HTTPStatus

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from web.errorreplies import error_reply
from web.errors import ApiError

LONGEST_HEAD = 65_536
"""Request line and header fields, bytes."""
_LINGER_S = 5.0
_MOST_DRAINED = 256 * 1024 * 1024


class BoundedProtocol(HttpToolsProtocol):
    """One connection."""

    _head = 0
    _drained: int | None = None

    def data_received(self, data: bytes) -> None:
        if self._drained is not None:
            self._drained += len(data)
            if self._drained > _MOST_DRAINED:
                self.transport.abort()
            return
        super().data_received(data)

    def on_message_begin(self) -> None:
        self._head = 0
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        if self._fits(len(url), HTTPStatus.REQUEST_URI_TOO_LONG, "path and query are"):
            super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._fits(len(name) + len(value), HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "the header fields are"):
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        if self._drained is None:
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        if self._drained is None:
            super().on_body(body)

    def on_message_complete(self) -> None:
        if self._drained is None:
            super().on_message_complete()

    def _fits(self, size: int, status: HTTPStatus, what: str) -> bool:
        self._head += size
        if self._drained is None and self._head > LONGEST_HEAD:
            self._drained = 0
            self._refuse(ApiError(status, f"{what} longer than {LONGEST_HEAD:,} bytes"))
        return self._drained is None

    def _refuse(self, err: ApiError) -> None:
        path = bytes(getattr(self, "url", b"")[:200]).decode("latin-1")
        reply = error_reply(path, err)
        head = [f"HTTP/1.1 {err.status.value} {err.status.phrase}", "connection: close"]
        head += [f"{name.decode()}: {value.decode()}" for name, value in reply.raw_headers]
        self.transport.write("\r\n".join([*head, "", ""]).encode() + bytes(reply.body))
        self.loop.call_later(_LINGER_S, self.transport.close)
