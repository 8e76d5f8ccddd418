"""HTTP client of the archiver, for the command line."""

from __future__ import annotations

from sipmdcs.http.client import JsonClient
from sipmdcs.site import Site

_TIMEOUT_S = 60.0


class ArchiverClient(JsonClient):
    """Asks the archiver of a site; raises ``ServiceError`` if it does not answer, ``BadInput`` if it refuses."""

    def __init__(self, site: Site) -> None:
        super().__init__(site.file.archiver, "the archiver", _TIMEOUT_S, site=site.identity)
