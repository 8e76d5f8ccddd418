"""HTTP client of the alarm service, for the command line."""

from __future__ import annotations

from sipmdcs.http.client import JsonClient
from sipmdcs.site import Site

_TIMEOUT_S = 10.0


class AlarmClient(JsonClient):
    """Asks the alarm service of a site; raises ``ServiceError`` if it does not answer, ``BadInput`` if it refuses."""

    def __init__(self, site: Site) -> None:
        super().__init__(site.file.alarms, "the alarm service", _TIMEOUT_S, site=site.identity)
