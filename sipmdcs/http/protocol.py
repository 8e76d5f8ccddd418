"""One HTTP connection: uvicorn's protocol with limits and deadlines that are kept while bytes come in and go out.

An application sees a request only once its head is in memory, and knows nothing of a client that does not read. Here whatever
is too large or too slow is answered as soon as that is known; what the client still sends is read and thrown away for a while,
because a connection closed with unread data loses the answer (RFC 9112, 9.6).
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import httptools
from starlette.responses import Response
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from sipmdcs.http.connections import ConnectionTable, Waits
from sipmdcs.http.errors import HttpError, Refusal
from sipmdcs.http.gathering import Gathering
from sipmdcs.http.limits import Limits
from sipmdcs.http.metrics import REFUSED, Metrics

CONNECTION = "sipmdcs.connection"
"""Key of the connection in the scope of a request."""
_MAX_DROPPED = 256 * 1024 * 1024
"""Bytes that are read and dropped of a client that was refused."""
_PATH = 200
"""Bytes of a request line that tell in which dialect a refusal is written."""
_MAX_PIPELINED = 32
"""Requests that a client may send ahead."""
_FRAMING = 8
"""Bytes of chunk lengths and extensions for one byte of a body: enough for chunks of one byte."""


@dataclass(frozen=True)
class Rules:
    """What the connections of one service share."""

    limits: Limits
    body_bytes: Callable[[str], int]
    """Limit of a body by the path of its request."""
    refusal: Refusal
    metrics: Metrics
    table: ConnectionTable[EdgeProtocol]


class EdgeProtocol(HttpToolsProtocol):
    """One connection."""

    def __init__(self, rules: Rules, address: str, **uvicorn: Any) -> None:
        """Prepare for a connection from ``address``; ``uvicorn`` is what its own protocol takes."""
        super().__init__(**uvicorn)
        self._rules = rules
        self._address = address
        self._begun = time.monotonic()
        """When the present wait for the client began."""
        self._running: RequestResponseCycle | None = None
        """The request that is in work; others that were sent ahead wait for it."""
        self._served = False
        self._in_head = False
        self._in_body = False
        self._head_size = 0
        self._fed = 0
        """Bytes given to the parser, in whole reads, since it last began or ended a head or a body."""
        self._body_size = 0
        self._body_limit = 0
        self._unread_since: float | None = None
        self._dropped: int | None = None
        """Bytes dropped since the connection was refused."""
        self._said_all = False
        """Whether the client has closed its side."""

    # What it waits for ------------------------------------------------------------------------------------------------

    @property
    def waiting(self) -> tuple[Waits, float]:
        """What the connection waits for, and since when."""
        if self._dropped is not None:
            return Waits.LAST_BYTES, self._begun
        if self._unread_since is not None:
            return Waits.READER, self._unread_since
        if self._in_body:
            return Waits.BODY, self._begun
        if self.cycle is not None and not self.cycle.response_complete:
            return Waits.SERVICE, self._begun
        if self._in_head:
            return Waits.HEAD, self._begun
        return (Waits.NEXT if self._served else Waits.FIRST), self._begun

    def look(self, now: float) -> None:
        """End the connection if its client takes too long."""
        waits, since = self.waiting
        limits = self._rules.limits
        allowed = {
            Waits.FIRST: limits.head_s,
            Waits.HEAD: limits.head_s,
            Waits.BODY: limits.body_s,
            Waits.READER: limits.send_s,
            Waits.LAST_BYTES: limits.linger_s,
            Waits.NEXT: limits.idle_s,
        }.get(waits)
        if allowed is None or now - since < allowed:
            return
        if waits in (Waits.HEAD, Waits.BODY):
            what = "head" if waits is Waits.HEAD else "body"
            self._refuse(HttpError(HTTPStatus.REQUEST_TIMEOUT, f"the {what} of the request took longer than {allowed:g} s"))
        else:
            self.cut(waits.name.lower().replace("_", " "))

    def cut(self, reason: str) -> None:
        """End the connection at once; what it still holds is freed."""
        if not self.transport.is_closing() or self._unread_since is not None or self.transport.get_write_buffer_size():
            self._rules.metrics.closed(reason)
        self.transport.abort()

    # Of the transport -------------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(Gathering(transport))
        self._rules.table.add(self, self._address)

    def connection_lost(self, exc: Exception | None) -> None:
        self._rules.table.remove(self)
        if (cycle := self._running) is not None and not cycle.response_complete:
            cycle.disconnected = True  # uvicorn tells only the request that came last
            cycle.message_event.set()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        self._unread_since = time.monotonic()
        super().pause_writing()

    def resume_writing(self) -> None:
        self._unread_since = None
        super().resume_writing()

    def data_received(self, data: bytes) -> None:
        self._rules.metrics.received(len(data))
        if self._dropped is not None:
            self._dropped += len(data)
            if self._dropped > _MAX_DROPPED:
                self.cut("last bytes")
            return
        self._unset_keepalive_if_required()
        self._fed += len(data)
        self._feed(data)
        self._check_fed()

    def eof_received(self) -> bool:  # type: ignore[override]
        """A client may close its side after its last request, and still wants the replies (RFC 9112, 9.6).

        Returns:
            Whether the connection stays open.
        """
        is_owed = self.cycle is not None and not self.cycle.response_complete
        is_whole = bool(self.pipeline) or not self._in_body
        self._said_all = self._dropped is None and is_owed and is_whole
        return self._said_all

    def send_400_response(self, msg: str) -> None:
        # uvicorn would answer in plain text; its parser has stopped, so nothing that follows can be understood.
        if self._dropped is None:
            self._refuse(HttpError(HTTPStatus.BAD_REQUEST, "this is not HTTP/1.1"))

    # Of the parser ----------------------------------------------------------------------------------------------------

    def _feed(self, data: bytes) -> None:
        while data and self._dropped is None and not self.transport.is_closing():
            try:
                self.parser.feed_data(data)
                return
            except httptools.HttpParserUpgrade as err:
                data = self._without_upgrade() + data[err.args[0] :]
            except httptools.HttpParserError:
                self.send_400_response("")

    def _without_upgrade(self) -> bytes:
        """The head of a request as if it asked for no other protocol (RFC 9110, 7.8): the parser takes its body for that."""
        method, version = self.parser.get_method(), self.parser.get_http_version().encode()
        if method == b"CONNECT":
            self._refuse(HttpError(HTTPStatus.BAD_REQUEST, "this service is no proxy"))
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn does
        fields = [b"%b: %b" % field for field in self.headers if field[0] != b"upgrade"]
        return b"\r\n".join([b"%b %b HTTP/%b" % (method, self.url, version), *fields, b"", b""])

    def _check_fed(self) -> None:
        """The parser does not tell of blank lines, of a header field that goes on, of what stands around chunks."""
        limits = self._rules.limits
        if self._dropped is not None or self._fed <= limits.head_bytes + self._body_size * (1 + _FRAMING):
            return
        if self._in_head:
            self._head_too_large()
        elif self._in_body:
            self._refuse(HttpError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "the framing of the body is too large"))
        else:
            self._refuse(HttpError(HTTPStatus.BAD_REQUEST, "there is no request between the blank lines"))

    def on_message_begin(self) -> None:
        self._begun = time.monotonic()
        self._fed = self._head_size = self._body_size = 0
        self._in_head = True
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        if self._dropped is None and self._fits(len(url), len(self.url) + len(url), self.url + url[:_PATH]):
            super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._dropped is None and self._fits(len(name) + len(value) + 4) and self._in_head:
            super().on_header(name, value)  # a trailer must not be taken for a header field (RFC 9110, 6.5.1)

    def on_headers_complete(self) -> None:
        self._in_head = False
        if self._dropped is not None or self.parser.should_upgrade():
            return
        self._fed = 0
        self._begun = time.monotonic()
        self._in_body = True
        if len(self.pipeline) >= _MAX_PIPELINED:
            self.cut("sent ahead")
            return
        try:
            self._take_absolute()
            path = httptools.parse_url(self.url).path.decode("ascii")
        except (httptools.HttpParserInvalidURLError, AttributeError, UnicodeDecodeError):
            self._refuse(HttpError(HTTPStatus.BAD_REQUEST, "the request line has no path"))
            return
        coding = self._header(b"transfer-encoding")
        if coding is not None and coding.lower() != b"chunked":
            self._refuse(HttpError(HTTPStatus.NOT_IMPLEMENTED, "the transfer coding is not chunked"))
            return
        self._body_limit = self._rules.body_bytes(path)
        if (length := self._header(b"content-length")) and (len(length) > 18 or int(length) > self._body_limit):
            self._too_large()
            return
        self.scope[CONNECTION] = self  # type: ignore[literal-required]
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        if self._dropped is not None:
            return
        self._body_size += len(body)
        if self._body_size > self._body_limit:
            self._too_large()
        else:
            super().on_body(body)

    def on_message_complete(self) -> None:
        if self.parser.should_upgrade():
            return
        self._in_body = False
        self._fed = self._body_size = 0
        self._begun = time.monotonic()
        if self._dropped is None:
            super().on_message_complete()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._running = cycle
        super()._start_asgi_task(cycle, app)

    def on_response_complete(self) -> None:
        self._served = True
        self._begun = time.monotonic()
        was_last = self._said_all and not self.pipeline
        super().on_response_complete()
        if was_last:
            self.transport.close()

    def _header(self, wanted: bytes) -> bytes | None:
        return next((value for name, value in self.headers if name == wanted), None)

    def _take_absolute(self) -> None:
        """The host of an absolute request line counts, whatever ``Host`` says (RFC 9112, 3.2.2)."""
        if self.url[:1] in (b"/", b"*"):
            return
        url = httptools.parse_url(self.url)
        if url.host is None:
            return
        port = b"" if url.port is None else b":%d" % url.port
        self.headers[:] = [(b"host", url.host + port), *(field for field in self.headers if field[0] != b"host")]

    # Refusals ---------------------------------------------------------------------------------------------------------

    def _fits(self, size: int, url_size: int = 0, url: bytes = b"") -> bool:
        limits = self._rules.limits
        self._head_size += size
        if url_size > limits.url_bytes:
            self.url = url
            text = f"path and query are longer than {limits.url_bytes:,} bytes"
            self._refuse(HttpError(HTTPStatus.REQUEST_URI_TOO_LONG, text))
        elif self._head_size > limits.head_bytes:
            self._head_too_large()
        return self._dropped is None

    def _head_too_large(self) -> None:
        text = f"the header fields are longer than {self._rules.limits.head_bytes:,} bytes"
        self._refuse(HttpError(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, text))

    def _too_large(self) -> None:
        self._refuse(HttpError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"the body is larger than {self._body_limit:,} bytes"))

    def _refuse(self, err: HttpError) -> None:
        """Answer at once, in place of the application, and hear no more."""
        self._dropped = 0
        self._begun = time.monotonic()
        cycle, owed = self.cycle, bool(self.pipeline)
        self.pipeline.clear()
        self._rules.metrics.closed(err.status.phrase.lower())
        if cycle is not None and not cycle.response_complete:
            owed = owed or cycle.scope is not self.scope or cycle.response_started
            cycle.disconnected = True
            cycle.message_event.set()
        if owed or self.transport.is_closing():  # an answer now would stand in the midst of another
            self.transport.close()
            return
        path = bytes(getattr(self, "url", b"")[:_PATH]).decode("latin-1")
        reply = self._rules.refusal(path, err)
        self._rules.metrics.answered("other", REFUSED, reply.status_code, 0.0)
        self.transport.write(_as_bytes(reply))
        with contextlib.suppress(OSError, RuntimeError):
            self.transport.write_eof()


def _as_bytes(reply: Response) -> bytes:
    status = HTTPStatus(reply.status_code)
    head = [f"HTTP/1.1 {status.value} {status.phrase}", "connection: close"]
    head += [f"{name.decode()}: {value.decode('latin-1')}" for name, value in reply.raw_headers]
    return "\r\n".join([*head, "", ""]).encode("latin-1") + bytes(reply.body)
