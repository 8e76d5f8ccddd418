"""The run of a scan in the logbook, over HTTP. A logbook that is away costs the scan its run number and nothing else."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Callable, Mapping
from typing import Any

import psutil

from sipmdcs.clock import Clock
from sipmdcs.errors import BadInput, ServiceError
from sipmdcs.http.client import JsonClient, NotRunning
from sipmdcs.site import Site

PARTITION = "SCAN"
"""Where scans are runs of their own beside those that take data, if the site has it; else the site's first partition."""

_TIMEOUT_S = 5.0
_PATIENCE_S = 20.0
"""How long a logbook that listens but does not answer is asked again, before anything on the detector is changed."""
_AGAIN_S = 0.5

_log = logging.getLogger(__name__)


class Refused(ServiceError):
    """The logbook answers, and says no."""


class LogbookRun:
    """Opens, starts and closes the run of one scan.

    Args:
        site: whose logbook is meant.
        uid: of the scan.
        who: started it.
        number: of the run, if it was opened before.
    """

    def __init__(self, site: Site, uid: str, who: str, number: int | None = None) -> None:
        self._logbook = JsonClient(site.file.logbook, "the logbook", _TIMEOUT_S, site=site.identity)
        self._uid = uid
        self._who = who[:120]
        self.number = number

    def open(self, facts: Mapping[str, Any], clock: Clock, unwanted: Callable[[float], bool]) -> str:
        """Open and start a run, ``number``; why there is none, empty if there is.

        The run of somebody else that is open in the partition is left alone. Asking again opens no second run: the logbook
        knows this scan's key.

        Args:
            facts: of the scan, for the run.
            clock: tells when patience ends.
            unwanted: waits so many seconds, less if the scan is aborted meanwhile, and says whether it is.
        """
        until = clock.monotonic() + _PATIENCE_S
        while (trouble := self._try_to_open(facts)) is not None:
            if isinstance(trouble, Refused | NotRunning) or clock.monotonic() > until or unwanted(_AGAIN_S):
                _log.warning("the scan %s goes on without a run number: %s", self._uid, trouble)
                return f"without a run number: {trouble}"
        return ""

    def _try_to_open(self, facts: Mapping[str, Any]) -> Exception | None:
        try:
            partitions = self._logbook.get("/health")["partitions"]
            body = {
                "request_key": f"iv-{self._uid}",
                "partition": PARTITION if PARTITION in partitions else partitions[0],
                "type": "iv",
                "who": self._who,
                "facts": dict(facts),
                "replace": False,
                "owner": _this_process(),
            }
            self.number = int(self._post("/runs", body)["number"])
            self._post(f"/runs/{self.number}/start", {"who": self._who})
        except (ServiceError, LookupError, TypeError, ValueError) as err:
            return err
        return None

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
        try:
            return self._logbook.post(path, body)
        except BadInput as err:
            raise Refused(f"the logbook refuses: {err}") from err


def _this_process() -> dict[str, Any]:
    """By which the logbook knows that nobody will close the run any more."""
    return {"host": socket.gethostname(), "pid": os.getpid(), "process_started": psutil.Process().create_time()}
