"""Another service of the site, asked over HTTP with GET and nothing else."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

import httpx

from sipmdcs.site import HttpService
from web.bulkhead import Bulkhead, NoAnswer
from web.errors import ApiError, source_away

_CONNECT_S = 1.0
_SILENCE_S = 10.0
"""Longest silence while an answer is awaited or comes in."""
_LONGEST_S = 60.0
"""From question to the end of the answer."""
_PROBE_S = 2.0
_LARGEST = 256 * 1024 * 1024
"""Answer, bytes: the alarm tree of 300,000 PVs."""
_ANY = "0.0.0.0"  # noqa: S104  only compared with


class Refused(Exception):
    """The service understood and said no; the text is its own, one line."""

    def __init__(self, status: int, message: str) -> None:
        self.status = status
        super().__init__(message)


class Upstream:
    """Any thread may ask.

    Args:
        where: it listens.
        bulkhead: what every question goes through.
    """

    def __init__(self, where: HttpService, bulkhead: Bulkhead) -> None:
        self.bulkhead = bulkhead
        host = "127.0.0.1" if where.interface == _ANY else where.interface
        size = bulkhead.permits + 1  # one for the probe
        self._client = httpx.Client(
            base_url=f"http://{host}:{where.port}",
            timeout=httpx.Timeout(_SILENCE_S, connect=_CONNECT_S),
            limits=httpx.Limits(max_connections=size, max_keepalive_connections=size),
            trust_env=False,
        )

    def get(self, path: str, parameters: Sequence[tuple[str, str]] = ()) -> Any:
        """The JSON at a path.

        Raises:
            Refused: the answer is 4xx.
            ApiError: 503, the service is away, busy, fails or takes too long; 414, no URL has room for the question.
        """
        name = self.bulkhead.name
        try:
            question = self._client.build_request("GET", path, params=list(parameters))
        except httpx.InvalidURL as err:
            raise ApiError(HTTPStatus.REQUEST_URI_TOO_LONG, f"this question is too long for {name}") from err
        with self.bulkhead.question():
            status, body = self._ask(question)
            if 400 <= status < 500:
                raise Refused(status, _reason(status, body))
            if not 200 <= status < 300:
                raise source_away(f"{name} says {status}: {_reason(status, body)}")
            try:
                return json.loads(body)
            except ValueError as err:
                raise source_away(f"{name} does not answer in JSON") from err

    def probe(self) -> None:
        """See that it is there.

        Raises:
            NoAnswer: it is not.
        """
        try:
            self._client.get("/health", timeout=_PROBE_S)
        except httpx.HTTPError as err:
            raise NoAnswer("does not answer") from err

    def close(self) -> None:
        """Close its connections."""
        self.bulkhead.close()
        self._client.close()

    def _ask(self, question: httpx.Request) -> tuple[int, bytearray]:
        try:
            return self._read(question)
        except httpx.TimeoutException as err:
            self.probe()  # one that answers was only busy with this question
            raise _too_long(self.bulkhead.name) from err
        except httpx.HTTPError:
            # It may have closed a connection that was kept, which says nothing about the next one.
            try:
                return self._read(question)
            except httpx.HTTPError as err:
                raise NoAnswer("does not answer") from err

    def _read(self, question: httpx.Request) -> tuple[int, bytearray]:
        latest = time.monotonic() + _LONGEST_S
        with contextlib.closing(self._client.send(question, stream=True)) as reply:
            body = bytearray()
            for piece in reply.iter_bytes():
                body += piece
                if len(body) > _LARGEST:
                    raise source_away(f"{self.bulkhead.name} answers more than {_LARGEST:,} bytes")
                if time.monotonic() > latest:
                    raise _too_long(self.bulkhead.name)
            return reply.status_code, body


def _too_long(name: str) -> ApiError:
    return source_away(f"{name} takes too long over this question; ask for less")


def _reason(status: int, body: bytearray) -> str:
    text = body.decode("utf-8", "replace").strip()
    with contextlib.suppress(ValueError, KeyError, TypeError):
        text = str(json.loads(text)["error"])
    return text.splitlines()[0] if text else HTTPStatus(status).phrase
