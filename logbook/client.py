"""HTTP client of the logbook service, for the command line."""

from __future__ import annotations

from logbook.refusals import Conflict, DatabaseAway, NotThere
from sipmdcs.http.client import JsonClient
from sipmdcs.site import Site

_TIMEOUT_S = 30.0


class LogbookClient(JsonClient):
    """Asks the logbook service of a site.

    Raises ``NotRunning`` if it does not run, ``BadInput``, ``Conflict``, ``NotThere`` or ``ServiceError`` if it refuses.
    """

    def __init__(self, site: Site) -> None:
        errors = {404: NotThere, 409: Conflict, 503: DatabaseAway}
        super().__init__(site.file.logbook, "the logbook service", _TIMEOUT_S, errors, site.identity)
