"""The last hour of a sum or mean over many PVs, from the archive: a screen just opened shows where things come from."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QByteArray, QObject, QUrl
from qtpy.QtNetwork import QNetworkAccessManager, QNetworkReply, QNetworkRequest

from opi.qt_signal import Signal
from sipmdcs.severity import Severity

BIN_S = 30
TIMEOUT_MS = 10_000

Combine = Callable[[NDArray[np.float64]], float]

_log = logging.getLogger(__name__)


def combine_bins(reply: Any, combine: Combine) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """One line out of the samples of many PVs; what was INVALID or no number is left out.

    Args:
        reply: the parsed JSON of ``getDataForPVs``: per PV one sample a bin, bins of all PVs at the same seconds.
        combine: what to make of the values that a bin has.

    Returns:
        Times (Unix seconds, rising) and values.

    Raises:
        ValueError: the reply has another shape.
    """
    try:
        pairs = [
            (int(point["secs"]), float(point["val"]))
            for entry in reply
            for point in entry["data"]
            if point.get("severity", 0) < Severity.INVALID
        ]
    except (TypeError, KeyError) as err:
        raise ValueError(f"not a reply of the archiver's retrieval interface: {err!r}") from err
    if not pairs:
        return np.empty(0), np.empty(0)
    seconds, values = (np.array(column, dtype=float) for column in zip(*pairs, strict=True))
    finite = np.isfinite(values)
    seconds, values = seconds[finite], values[finite]
    times = np.unique(seconds)
    return times, np.array([combine(values[seconds == when]) for when in times])


class History(QObject):
    """Asks once, without blocking."""

    answered = Signal(object, object)
    """Times and values."""

    def __init__(self, url: str, combine: Combine, parent: QObject | None = None) -> None:
        """Prepare.

        Args:
            url: base of the archiver's HTTP interface.
            combine: what to make of the values of a bin.
            parent: as Qt has it.
        """
        super().__init__(parent)
        self._url = url
        self._combine = combine
        self._network = QNetworkAccessManager(self)

    def ask(self, pvs: Sequence[str], span_s: float) -> None:
        """Ask for the last ``span_s`` seconds of these PVs together."""
        end = time.time()
        query = f"from={_iso(end - span_s)}&to={_iso(end)}&pp=lastFill_{BIN_S}"
        request = QNetworkRequest(QUrl(f"{self._url}/retrieval/data/getDataForPVs.json?{query}"))
        request.setHeader(QNetworkRequest.KnownHeaders.ContentTypeHeader, "application/json")
        request.setTransferTimeout(TIMEOUT_MS)
        reply = self._network.post(request, QByteArray(json.dumps(list(pvs)).encode()))
        if reply is not None:
            reply.finished.connect(self._finish)

    def _finish(self) -> None:
        reply = self.sender()
        if not isinstance(reply, QNetworkReply):
            return
        reply.deleteLater()
        try:
            if reply.error() != QNetworkReply.NetworkError.NoError:
                raise ValueError(reply.errorString())
            times, values = combine_bins(json.loads(reply.readAll().data()), self._combine)
        except ValueError as err:
            _log.warning("no history from %s: %s", self._url, err)
            return
        self.answered.emit(times, values)


def _iso(when: float) -> str:
    return f"{datetime.fromtimestamp(when, UTC):%Y-%m-%dT%H:%M:%S}.000Z"
