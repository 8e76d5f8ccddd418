"""HTTP client of the logbook service, for the command line."""

from __future__ import annotations

from logbook.refusals import Conflict, DatabaseAway, NotThere
from sipmdcs.http.client import JsonClient
from sipmdcs.site import HttpService

_TIMEOUT_S = 30.0


class LogbookClient(JsonClient):
    """Asks the logbook service of a site.

    Raises ``NotRunning`` if it does not run, ``BadInput``, ``Conflict``, ``NotThere`` or ``ServiceError`` if it refuses.
    """

    def __init__(self, where: HttpService) -> None:
        super().__init__(where, "the logbook service", _TIMEOUT_S, {404: NotThere, 409: Conflict, 503: DatabaseAway})
