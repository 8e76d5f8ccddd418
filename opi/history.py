"""The last hour of a sum or mean over many PVs, from the archive: a screen just opened shows where things come from."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QByteArray, QObject, QUrl
from qtpy.QtNetwork import QNetworkAccessManager, QNetworkReply, QNetworkRequest

from opi.archive_samples import readings
from opi.json_reply import read_json
from opi.qt_signal import Signal
from opi.timer import make_timer
from sipmdcs.clock import NS

BIN_S = 30
TIMEOUT_MS = 10_000
RETRY_MS = 10_000
"""After an archiver that did not answer."""

Combine = Callable[[NDArray[np.float64]], float]

_DATA = "/retrieval/data/getDataForPVs.json"
_ARCHIVED = "/mgmt/bpl/archivedPVs"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Past:
    """One line out of many PVs."""

    times: NDArray[np.float64]
    """Unix seconds, multiples of ``BIN_S``, rising, from the first known value on."""
    values: NDArray[np.float64]
    """NaN where nothing is known."""
    counts: NDArray[np.int64]
    """Of how many PVs each value is."""


def combine_bins(reply: Any, combine: Combine, begin: float, end: float) -> Past:
    """One line out of the samples of many PVs; a PV counts while its value is known.

    Args:
        reply: the parsed JSON of ``getDataForPVs`` with ``lastSample``, about numbers.
        combine: what to make of the values that are known at one time.
        begin: Unix seconds.
        end: Unix seconds.

    Raises:
        ValueError: the reply has another shape.
    """
    times = np.arange(np.ceil(begin / BIN_S) * BIN_S, end, BIN_S)
    at_ns = times.astype(np.int64) * NS
    known = np.array([reading.at(at_ns) for reading in readings(reply)]).reshape(-1, len(times))
    there = np.isfinite(known)
    counts = there.sum(axis=0)
    values = np.array([combine(column[mask]) if mask.any() else np.nan for column, mask in zip(known.T, there.T, strict=True)])
    first = int(np.argmax(counts > 0)) if counts.any() else len(times)
    return Past(times[first:], values[first:], counts[first:])


class History(QObject):
    """Asks without blocking, again and again until the archiver has answered."""

    answered = Signal(object)
    """A ``Past``."""

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
        self._pvs: tuple[str, ...] = ()
        self._span = (0.0, 0.0)
        self._span_s = 0.0
        self._retry = make_timer(self, RETRY_MS, self._ask_data, once=True)

    def ask(self, pvs: Sequence[str], span_s: float) -> None:
        """Ask for the last ``span_s`` seconds of these PVs together."""
        self._pvs, self._span_s = tuple(pvs), span_s
        self._ask_data()

    def close(self) -> None:
        """Ask no more."""
        self._retry.stop()

    def _ask_data(self) -> None:
        end = time.time()
        self._span = (end - self._span_s, end)
        self._post(f"{_DATA}?from={_iso(self._span[0])}&to={_iso(end)}&pp=lastSample_{BIN_S}", self._take_data)

    def _post(self, path: str, take: Callable[[], None]) -> None:
        request = QNetworkRequest(QUrl(f"{self._url}{path}"))
        request.setHeader(QNetworkRequest.KnownHeaders.ContentTypeHeader, "application/json")
        request.setTransferTimeout(TIMEOUT_MS)
        reply = self._network.post(request, QByteArray(json.dumps(self._pvs).encode()))
        if reply is not None:
            reply.finished.connect(take)

    def _take_data(self) -> None:
        reply = self.sender()
        if not isinstance(reply, QNetworkReply):
            return
        reply.deleteLater()
        if reply.error() == QNetworkReply.NetworkError.ContentNotFoundError:
            # One PV that is not archived fails the whole question.
            self._post(_ARCHIVED, self._take_names)
            return
        try:
            past = combine_bins(read_json(reply), self._combine, *self._span)
        except ValueError as err:
            self._try_later(err)
            return
        self.answered.emit(past)

    def _take_names(self) -> None:
        reply = self.sender()
        if not isinstance(reply, QNetworkReply):
            return
        reply.deleteLater()
        try:
            archived = set(read_json(reply))
        except (ValueError, TypeError) as err:
            self._try_later(err)
            return
        fewer = tuple(pv for pv in self._pvs if pv in archived)
        if fewer and fewer != self._pvs:
            self._pvs = fewer
            self._ask_data()
        else:
            self._try_later(ValueError("nothing of this is archived yet"))

    def _try_later(self, err: Exception) -> None:
        _log.warning("no history from %s: %s", self._url, err)
        self._retry.start()


def _iso(when: float) -> str:
    return f"{datetime.fromtimestamp(when, UTC):%Y-%m-%dT%H:%M:%S}.000Z"
