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

from opi.archive_samples import changes, reply_points, value_at
from opi.qt_signal import Signal

BIN_S = 30
TIMEOUT_MS = 10_000

Combine = Callable[[NDArray[np.float64]], float]

_log = logging.getLogger(__name__)


def combine_bins(reply: Any, combine: Combine, begin: float, end: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """One line out of the samples of many PVs; a PV counts while its value is known.

    Args:
        reply: the parsed JSON of ``getDataForPVs`` with ``lastSample``, about numbers.
        combine: what to make of the values that are known at one time.
        begin: Unix seconds.
        end: Unix seconds.

    Returns:
        Times (Unix seconds, multiples of ``BIN_S``, rising) from the first known value on, and values, NaN where none is known.

    Raises:
        ValueError: the reply has another shape.
    """
    times = np.arange(np.ceil(begin / BIN_S) * BIN_S, end, BIN_S)
    lines = [changes(points) for points in reply_points(reply) if points]
    if not lines:
        return np.empty(0), np.empty(0)
    known = np.array([value_at(line, times) for line in lines])
    values = np.array([combine(column[np.isfinite(column)]) if np.isfinite(column).any() else np.nan for column in known.T])
    first = int(np.argmax(np.isfinite(values))) if np.isfinite(values).any() else len(values)
    return times[first:], values[first:]


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
        self._span = (0.0, 0.0)

    def ask(self, pvs: Sequence[str], span_s: float) -> None:
        """Ask for the last ``span_s`` seconds of these PVs together."""
        end = time.time()
        query = f"from={_iso(end - span_s)}&to={_iso(end)}&pp=lastSample_{BIN_S}"
        self._span = (end - span_s, end)
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
            times, values = combine_bins(json.loads(reply.readAll().data()), self._combine, *self._span)
        except ValueError as err:
            _log.warning("no history from %s: %s", self._url, err)
            return
        self.answered.emit(times, values)


def _iso(when: float) -> str:
    return f"{datetime.fromtimestamp(when, UTC):%Y-%m-%dT%H:%M:%S}.000Z"
