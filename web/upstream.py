"""Another service of the site, asked over HTTP with GET and nothing else."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

import httpx

from sipmdcs.site import HttpService
from web.errors import source_away

_TIMEOUT = httpx.Timeout(30.0, connect=2.0)
_CONNECTIONS = httpx.Limits(max_connections=16, max_keepalive_connections=8)
_ANY = "0.0.0.0"  # noqa: S104  only compared with


class Refused(Exception):
    """The service understood and said no; the text is its own, one line."""

    def __init__(self, status: int, message: str) -> None:
        self.status = status
        super().__init__(message)


class Upstream:
    """Any thread may ask.

    Args:
        name: for messages, such as ``the archiver``.
        where: it listens.
    """

    def __init__(self, name: str, where: HttpService) -> None:
        self.name = name
        self.away = False
        """Whether the last question went without an answer."""
        host = "127.0.0.1" if where.interface == _ANY else where.interface
        self._client = httpx.Client(
            base_url=f"http://{host}:{where.port}", timeout=_TIMEOUT, limits=_CONNECTIONS, trust_env=False
        )

    def get(self, path: str, parameters: Sequence[tuple[str, str]] = ()) -> Any:
        """The JSON at a path.

        Raises:
            Refused: the answer is 4xx.
            ApiError: 503, the service is away or fails.
        """
        try:
            reply = self._client.get(path, params=list(parameters))
            if reply.is_client_error:
                self.away = False
                raise Refused(reply.status_code, _reason(reply))
            if not reply.is_success:
                raise source_away(f"{self.name} says {reply.status_code}: {_reason(reply)}")
            answer = json.loads(reply.text)
        except httpx.HTTPError as err:
            self.away = True
            raise source_away(f"{self.name} does not answer") from err
        except ValueError as err:
            raise source_away(f"{self.name} does not answer in JSON") from err
        self.away = False
        return answer

    def close(self) -> None:
        """Close its connections."""
        self._client.close()


def _reason(reply: httpx.Response) -> str:
    text = reply.text.strip()
    with contextlib.suppress(ValueError, KeyError, TypeError):
        text = str(json.loads(text)["error"])
    return text.splitlines()[0] if text else HTTPStatus(reply.status_code).phrase
