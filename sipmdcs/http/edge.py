"""What stands before every service: the one place where a request from outside is let in or refused.

In this order: what a proxy says, the host, the origin, the site, the check of a token, ``/health`` and ``/metrics``, a turn.
Then the application answers, through compression. Connections, sizes and times are ``protocol``'s.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sipmdcs.http.compression import Compressing
from sipmdcs.http.errors import JSON_TYPE, HttpError, Refusal, bug, lacking, refusal
from sipmdcs.http.forwarded import apply_forwarded
from sipmdcs.http.hosts import Hosts
from sipmdcs.http.identity import check_site, marked
from sipmdcs.http.limits import Limits, limits_of
from sipmdcs.http.metrics import CONTENT_TYPE, REFUSED, UNMATCHED, Metrics
from sipmdcs.http.protocol import CONNECTION, EdgeProtocol
from sipmdcs.http.slots import Slot, Slots
from sipmdcs.site import HttpEdge
from sipmdcs.threads import started_pool

HEALTH, METRICS = "/health", "/metrics"
_PIECE = 65_536
"""Bytes of a body handed to the connection at a time, so that a client that stops reading is noticed in the midst of one."""

_log = logging.getLogger(__name__)

Check = Callable[[Scope], Awaitable[None]]
"""Looks at a request before anything else of the service does; raises ``HttpError`` to refuse it (401, 403)."""
Health = Callable[[], Mapping[str, Any]]
"""What a service last knew about itself. Must not wait: no database, no lock, no thread."""


async def let_all_in(_scope: Scope) -> None:
    """As ``Check``, where no token is asked for."""


class Edge:
    """The edge of one service."""

    def __init__(
        self,
        service: str,
        settings: HttpEdge,
        *,
        health: Health = dict,
        limits: Limits | None = None,
        body_bytes: Mapping[str, int] | None = None,
        light: Callable[[str], bool] = lambda path: False,
        refusal: Refusal = refusal,
        check: Check = let_all_in,
        site: str = "",
    ) -> None:
        """Put it together.

        Args:
            service: name, for metrics.
            settings: what the site lets in.
            health: what ``/health`` shows besides the state of the edge itself.
            limits: of this service; the settings of the site go before.
            body_bytes: limits of bodies by the beginning of their path, for routes that differ from ``limits``.
            light: whether a path is answered without waiting for a turn, because it costs nothing.
            refusal: writes refusals.
            check: is asked before any route.
            site: identity of the site; a request for another one is refused. Empty lets all in.
        """
        self.limits = limits_of(settings, limits or Limits())
        self.proxies = frozenset(settings.proxies)
        self.refusal = refusal
        self.metrics = Metrics(service)
        self.slots = Slots(self.limits)
        self.metrics.watch_waiting(lambda: self.slots.waiting)
        self._hosts = Hosts(settings.hosts)
        self._health = health
        self._body_bytes = sorted((body_bytes or {}).items(), reverse=True)
        self._light = light
        self._check = check
        self._site = site
        self._executor = started_pool(2, "compression")

    def body_bytes(self, path: str) -> int:
        """Limit of a body sent to ``path``."""
        return next((limit for start, limit in self._body_bytes if path.startswith(start)), self.limits.body_bytes)

    def around(self, application: ASGIApp) -> ASGIApp:
        """The application behind this edge."""

        async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "http":
                await self._serve(application, scope, receive, send)
            else:
                await application(scope, receive, send)

        return guarded

    async def _serve(self, application: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        start = time.monotonic()
        own = dict(scope)
        reply = _Reply(send, self.metrics, self._site, scope.get(CONNECTION))
        self.metrics.active += 1
        answered = True
        try:
            await self._admitted(application, own, receive, reply)
        except HttpError as err:
            await self.refusal(own["path"], err)(own, receive, reply.send)
        except _Gone:
            answered = False  # nobody is there to be answered, or the connection has answered
        except Exception as err:
            lack = lacking(err)
            if lack is None:
                _log.exception("%s %s", scope["method"], own["path"])
            else:
                _log.error("%s %s: %s: %s", scope["method"], own["path"], lack, err)
            if not reply.started:
                await self.refusal(own["path"], lack or bug(err))(own, receive, reply.send)
            elif not reply.complete:
                raise
        finally:
            self.metrics.active -= 1
            if answered:
                self.metrics.answered(scope["method"], reply.route, reply.status, time.monotonic() - start)

    async def _admitted(self, application: ASGIApp, scope: Scope, receive: Receive, reply: _Reply) -> None:
        path = scope["path"]
        apply_forwarded(scope, self.proxies)
        self._hosts.check(scope)
        check_site(scope, self._site)
        await self._check(scope)
        if path in (HEALTH, METRICS) and scope["method"] in ("GET", "HEAD"):
            reply.route = path
            await self._own(path)(scope, receive, reply.send)
            return
        body = await _read(receive)
        reply.scope = scope
        send = Compressing(scope, reply.send, self._executor).send
        if self._light(path):
            await application(scope, body, send)
        else:
            client = scope["client"][0] if scope.get("client") else ""
            connection: EdgeProtocol | None = scope.get(CONNECTION)
            async with self.slots.turn(client, connection.cut if connection else _nothing) as reply.slot:
                if connection is not None and connection.transport.is_closing():
                    raise _Gone
                await application(scope, body, send)

    def _own(self, path: str) -> Response:
        if path == METRICS:
            return Response(self.metrics.text(), media_type=CONTENT_TYPE)
        return Response(json.dumps(dict(self._health())), media_type=JSON_TYPE)


class _Gone(Exception):
    """The connection ended before the body was complete, or before the request had its turn."""


class _Reply:
    """Sends a reply piece by piece and knows how far it is."""

    def __init__(self, send: Send, metrics: Metrics, site: str, connection: EdgeProtocol | None) -> None:
        self._send = send
        self._site = site
        self._metrics = metrics
        self.status = HTTPStatus.INTERNAL_SERVER_ERROR.value
        self.slot: Slot | None = None
        self.scope: Scope | None = None
        """Of the request, once it was given to the application."""
        self._connection = connection
        self.started = self.complete = False
        self._route = REFUSED

    @property
    def route(self) -> str:
        """Template of the route that answered."""
        if self.scope is None:
            return self._route
        return str(getattr(self.scope.get("route"), "path", UNMATCHED))

    @route.setter
    def route(self, path: str) -> None:
        self._route = path

    async def send(self, message: Message) -> None:
        """As ASGI's ``send``."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.started = True
            await self._passed(marked(message, self._site))
            return
        body, more = message.get("body", b""), message.get("more_body", False)
        self._metrics.sent(len(body))
        view = memoryview(body)
        for at in range(0, len(view) - _PIECE, _PIECE):
            await self._passed({**message, "body": view[at : at + _PIECE], "more_body": True})
        rest = (len(view) - 1) // _PIECE * _PIECE if view else 0
        await self._passed({**message, "body": view[rest:], "more_body": more})
        self.complete = not more

    async def _passed(self, message: Message) -> None:
        if self.slot is not None:
            self.slot.stuck_since = time.monotonic()
        await self._send(message)
        if self.slot is not None:
            self.slot.stuck_since = None
        if self._connection is not None and self._connection.transport.is_closing():
            await asyncio.sleep(
                0
            )  # what is sent now is dropped without waiting; let the application hear that its client is gone


async def _read(receive: Receive) -> Receive:
    """The body, read before the request takes a turn: a client that sends it slowly holds none. The protocol limits it."""
    pieces: list[bytes] = []
    more = True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            raise _Gone
        pieces.append(message.get("body", b""))
        more = message.get("more_body", False)
    left: list[Message] = [{"type": "http.request", "body": b"".join(pieces), "more_body": False}]

    async def again() -> Message:
        return left.pop() if left else await receive()

    return again


def _nothing(_reason: str) -> None:
    """There is no connection to end."""
