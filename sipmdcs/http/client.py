"""JSON over HTTP as our services speak it: the side that asks. An error is ``{"error": "one line"}`` with a status from 400."""

from __future__ import annotations

import contextlib
import http.client
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import quote, unquote, urlencode

from sipmdcs.errors import BadInput, DcsError, ServiceError
from sipmdcs.http.identity import HEADER, encoded
from sipmdcs.site import HttpService

_EVERY_INTERFACE = "0.0.0.0"  # noqa: S104 - only compared with


class NotRunning(ServiceError):
    """Nobody listens where a service should."""


def error_text(body: bytes, otherwise: str) -> str:
    """What a service says in the body of an error: the line in ``{"error": "one line"}``, or the body itself if it is text."""
    text = body.decode(errors="replace").strip()
    with contextlib.suppress(ValueError, LookupError, TypeError):
        text = str(json.loads(text)["error"])
    return text.partition("\n")[0] or otherwise


class JsonClient:
    """Asks one service of a site.

    Every method raises ``NotRunning`` if nobody listens, ``ServiceError`` if there is no answer or one that cannot be
    understood, and if the service refuses, the error of that status: ``BadInput`` from 400 on, ``ServiceError`` from 500 on, or
    what ``errors`` says.
    """

    def __init__(
        self,
        where: HttpService,
        name: str,
        timeout_s: float,
        errors: Mapping[int, type[DcsError]] | None = None,
        site: str = "",
    ) -> None:
        """Not connected yet; each question has a connection of its own.

        Args:
            where: it listens; loopback, if that is every interface of its machine.
            name: what errors call it, such as "the logbook service".
            timeout_s: how long to wait for an answer, seconds.
            errors: by status, instead of those above.
            site: identity of the site whose service is meant; empty takes any.
        """
        self._host = "127.0.0.1" if where.interface == _EVERY_INTERFACE else where.interface
        self._port = where.port
        self._name = name
        self._timeout_s = timeout_s
        self._errors = errors or {}
        self._site = site

    def get(self, path: str, query: Mapping[str, str | Sequence[str]] | None = None) -> Any:
        """The answer to a GET request; parameters without a value are left out, several values are several parameters."""
        return self._ask("GET", _target(path, query))

    def text(self, path: str, query: Mapping[str, str | Sequence[str]] | None = None) -> str:
        """The answer to a GET request that is not answered in JSON unless refused."""
        return self._ask("GET", _target(path, query), parse=bytes.decode)

    def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """The answer to a POST request."""
        return self._ask("POST", quote(path), json.dumps(body))

    def _ask(self, method: str, target: str, body: str | None = None, parse: Callable[[bytes], Any] = json.loads) -> Any:
        where = f"http://{self._host}:{self._port}"
        connection = http.client.HTTPConnection(self._host, self._port, timeout=self._timeout_s)
        try:
            headers = {"Content-Type": "application/json"} | ({HEADER: encoded(self._site)} if self._site else {})
            connection.request(method, target, body, headers)
            reply = connection.getresponse()
            theirs = reply.getheader(HEADER)
            if self._site and theirs is not None and theirs != encoded(self._site):
                raise ServiceError(f"what answers at {where} is {self._name} of another site, {unquote(theirs)[:120]!r}")
            answer = reply.read()
            if reply.status < 400:
                return parse(answer)
            text = str(json.loads(answer)["error"])
        except ConnectionRefusedError as err:
            raise NotRunning(f"{self._name} does not answer at {where}: {err.strerror}") from err
        except OSError as err:
            raise ServiceError(f"{self._name} does not answer at {where}: {err.strerror or err}") from err
        except (http.client.HTTPException, ValueError, LookupError, TypeError) as err:
            raise ServiceError(f"what answers at {where} is not {self._name}: {err}") from err
        finally:
            connection.close()
        raise self._errors.get(reply.status, ServiceError if reply.status >= 500 else BadInput)(text)


def _target(path: str, query: Mapping[str, str | Sequence[str]] | None) -> str:
    given = {key: value for key, value in (query or {}).items() if value}
    try:
        return quote(path) + (f"?{urlencode(given, doseq=True)}" if given else "")
    except UnicodeEncodeError as err:
        raise BadInput(f"{err.object!r} has bytes that are not UTF-8") from err
