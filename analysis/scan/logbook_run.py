"""The run of a scan in the logbook, over HTTP. A logbook that is away costs the scan its run number and nothing else."""

from __future__ import annotations

import http.client
import json
import logging
from collections.abc import Mapping
from typing import Any

from sipmdcs.errors import ServiceError
from sipmdcs.site import HttpService

PARTITION = "scan"
"""Scans are runs of a partition of their own, beside those that take data."""

_TIMEOUT_S = 5.0
_ANY = "0.0.0.0"  # noqa: S104  only compared with

_log = logging.getLogger(__name__)


class LogbookRun:
    """Opens, starts and closes the run of one scan.

    Args:
        where: the logbook answers.
        uid: of the scan.
        who: started it.
    """

    def __init__(self, where: HttpService, uid: str, who: str) -> None:
        self._host = "127.0.0.1" if where.interface == _ANY else where.interface
        self._port = where.port
        self._uid = uid
        self._who = who
        self.number: int | None = None

    def open(self, facts: Mapping[str, Any]) -> int | None:
        """Open and start a run; its number, ``None`` if there is none to be had."""
        body = {"request_key": f"iv-{self._uid}", "partition": PARTITION, "type": "iv", "who": self._who, "facts": dict(facts)}
        try:
            self.number = int(self._post("/runs", body)["number"])
            self._post(f"/runs/{self.number}/start", {"who": self._who})
        except (ServiceError, KeyError, TypeError, ValueError) as err:
            _log.warning("the scan %s goes on without a run number: %s", self._uid, err)
        return self.number

    def close(self, *, completed: bool, reason: str, facts: Mapping[str, Any]) -> None:
        """End the run, or abort it with a reason."""
        if self.number is None:
            return
        body = {"who": self._who, "reason": reason, "facts": dict(facts)}
        try:
            self._post(f"/runs/{self.number}/{'end' if completed else 'abort'}", body)
        except ServiceError as err:
            _log.warning("run %d is not closed: %s", self.number, err)

    def _post(self, path: str, body: Mapping[str, Any]) -> Any:
        where = f"http://{self._host}:{self._port}"
        connection = http.client.HTTPConnection(self._host, self._port, timeout=_TIMEOUT_S)
        try:
            connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
            reply = connection.getresponse()
            text = reply.read().decode("utf-8", "replace")
        except (OSError, http.client.HTTPException) as err:
            raise ServiceError(f"the logbook does not answer at {where}: {err}") from err
        finally:
            connection.close()
        if reply.status >= 400:
            raise ServiceError(f"the logbook refuses {path}: {text[:200]}")
        try:
            return json.loads(text)
        except ValueError as err:
            raise ServiceError(f"what answers at {where} is not the logbook") from err
