"""A client of the archiver's HTTP interface, for the command line."""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from typing import Any

from sipmdcs.errors import ServiceError
from sipmdcs.http.client import error_text
from sipmdcs.site import HttpService

_TIMEOUT_S = 60


class ArchiverClient:
    """Asks one archiver."""

    def __init__(self, http: HttpService) -> None:
        self._base = f"http://{http.interface}:{http.port}"

    def get(self, path: str, parameters: Mapping[str, str] | None = None) -> Any:
        """JSON from a path.

        Raises:
            ServiceError: the archiver does not answer, or says no; the text is its own.
        """
        return json.loads(self.text(path, parameters))

    def text(self, path: str, parameters: Mapping[str, str] | None = None, *, post: bool = False) -> str:
        """Text from a path.

        Raises:
            ServiceError: as ``get``.
        """
        query = "?" + urllib.parse.urlencode(parameters) if parameters else ""
        request = urllib.request.Request(self._base + path + query, data=b"" if post else None)  # noqa: S310 - our own scheme
        try:
            with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as reply:  # noqa: S310
                return reply.read().decode()
        except urllib.error.HTTPError as err:
            with err:
                raise ServiceError(error_text(err.read(), f"the archiver says {err.code}")) from err
        except OSError as err:
            reason = getattr(err, "reason", err)
            raise ServiceError(f"the archiver does not answer at {self._base}: {reason}") from err
