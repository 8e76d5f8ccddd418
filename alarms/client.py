"""HTTP client of the alarm service, for the command line."""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlencode

from sipmdcs.errors import BadInput, ServiceError
from sipmdcs.site import HttpService

_TIMEOUT_S = 10.0

_ANY = "0.0.0.0"  # noqa: S104  only compared with


class AlarmClient:
    """Asks the alarm service of a site; raises ``ServiceError`` if it does not answer, ``BadInput`` if it refuses."""

    def __init__(self, where: HttpService) -> None:
        self._host = "127.0.0.1" if where.interface == _ANY else where.interface
        self._port = where.port

    def get(self, path: str, query: Mapping[str, str | Sequence[str]] | None = None) -> Any:
        """The answer to a GET request."""
        given = {key: value for key, value in (query or {}).items() if value}
        return self._ask("GET", f"{quote(path)}?{urlencode(given, doseq=True)}")

    def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """The answer to a POST request."""
        return self._ask("POST", path, json.dumps(body))

    def _ask(self, method: str, target: str, body: str | None = None) -> Any:
        where = f"http://{self._host}:{self._port}"
        connection = http.client.HTTPConnection(self._host, self._port, timeout=_TIMEOUT_S)
        try:
            connection.request(method, target, body, {"Content-Type": "application/json"})
            reply = connection.getresponse()
            answer = json.loads(reply.read())
        except OSError as err:
            raise ServiceError(f"the alarm service does not answer at {where}: {err.strerror or err}") from err
        except (http.client.HTTPException, ValueError) as err:
            raise ServiceError(f"what answers at {where} is not the alarm service: {err}") from err
        finally:
            connection.close()
        if reply.status >= 500:
            raise ServiceError(answer["error"])
        if reply.status >= 400:
            raise BadInput(answer["error"])
        return answer
