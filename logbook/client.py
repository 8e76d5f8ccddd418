"""HTTP client of the logbook service."""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from logbook.refusals import Conflict, DatabaseAway, NotThere
from sipmdcs.errors import BadInput, DcsError, ServiceError
from sipmdcs.site import HttpService

_TIMEOUT_S = 30.0
_ANY = "0.0.0.0"  # noqa: S104 - only compared with
_ERRORS: Mapping[int, type[DcsError]] = {404: NotThere, 409: Conflict, 503: DatabaseAway}


class NoAnswer(ServiceError):
    """The service does not run."""


class LogbookClient:
    """Asks the logbook service of a site.

    Raises ``NoAnswer`` if it does not run, ``BadInput``, ``Conflict``, ``NotThere`` or ``ServiceError`` if it refuses.
    """

    def __init__(self, where: HttpService) -> None:
        self._host = "127.0.0.1" if where.interface == _ANY else where.interface
        self._port = where.port

    def get(self, path: str, query: Mapping[str, str] | None = None) -> Any:
        """The answer to a GET request."""
        return self._ask("GET", f"{path}?{urlencode(query)}" if query else path)

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
        except ConnectionRefusedError as err:
            raise NoAnswer(f"the logbook service does not answer at {where}: {err.strerror}") from err
        except OSError as err:
            raise ServiceError(f"the logbook service does not answer at {where}: {err.strerror or err}") from err
        except (http.client.HTTPException, ValueError) as err:
            raise ServiceError(f"what answers at {where} is not the logbook service: {err}") from err
        finally:
            connection.close()
        if reply.status >= 400:
            error = _ERRORS.get(reply.status, BadInput)
            raise error(str(answer.get("error", reply.status)))
        return answer
