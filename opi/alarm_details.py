"""What only the HTTP interface of the alarm service tells: value and reason of each alarm of a channel, and the guidance."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from qtpy.QtCore import QObject, QUrl
from qtpy.QtNetwork import QNetworkAccessManager, QNetworkRequest

from alarms.level import Level
from opi.json_reply import read_json
from opi.qt_signal import Signal
from sipmdcs.severity import Status

TIMEOUT_MS = 3000
TRIP_SUFFIX = ":TRIP"
LOST_GUIDANCE = (
    "The IOC of this channel is lost: what its sensor does is not known, and the controller keeps its voltage.\n\n"
    "It starts again by itself; if it does not within a minute, see sipmdcs status and its log."
)
"""Instead of the guidance of a PV that is not connected, which tells what to do about a value nobody has."""
NO_REPLY_GUIDANCE = (
    "The controller of this channel does not answer, or did not: what its sensor does is not known; it keeps its voltage.\n\n"
    "What to do stands with the alarm of the controller, CONNECTED. Once it answers again, acknowledge this one."
)
"""The same of a value that is INVALID because the wire is or was silent; such an alarm latches."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class AlarmDetail:
    """One alarm, acknowledged or not."""

    level: Level
    pv: str
    description: str
    message: str
    value: str
    time: str
    """ISO 8601, UTC."""
    acknowledged_by: str


def read_details(answer: Any) -> list[AlarmDetail]:
    """Alarms of an answer of ``/active`` or ``/acknowledged``, in its order.

    Raises:
        ValueError: the answer has another shape.
    """
    try:
        return [
            AlarmDetail(
                Level[entry["severity"]],
                str(entry["pv"]),
                str(entry["description"]),
                str(entry["message"]),
                str(entry["value"]),
                str(entry["time"] or ""),
                str((entry["acknowledged"] or {}).get("user", "")),
            )
            for entry in answer
        ]
    except (TypeError, KeyError, AttributeError) as err:
        raise ValueError(f"not an answer of the alarm service: {err!r}") from err


def read_guidance(answer: Any) -> str:
    """Guidance in an answer of ``/pv/NAME``, paragraphs parted by an empty line.

    Raises:
        ValueError: the answer has another shape.
    """
    texts = answer.get("guidance") if isinstance(answer, dict) else None
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise ValueError("not an answer of the alarm service: guidance is not a list of texts")
    return "\n\n".join(texts)


def worst_first(alarms: Iterable[AlarmDetail]) -> list[AlarmDetail]:
    """Alarms in the order in which they are shown; the first is the one whose guidance is shown.

    What nobody has acknowledged before the rest; of each a trip, which says what was done about the others; then by level,
    and within a level the newest.
    """
    newest = sorted(alarms, key=lambda alarm: alarm.time, reverse=True)
    return sorted(newest, key=lambda alarm: (alarm.level.is_acknowledged, not _is_trip(alarm), -alarm.level))


def _is_trip(alarm: AlarmDetail) -> bool:
    """Whether it says that the channel tripped, and not that nobody knows."""
    return alarm.pv.endswith(TRIP_SUFFIX) and alarm.level.unacknowledged is Level.MAJOR


def guidance_instead(alarm: AlarmDetail) -> str:
    """What to do about a value that nobody has, whatever its PV; empty if there is one."""
    match alarm.level.unacknowledged:
        case Level.UNDEFINED:
            return LOST_GUIDANCE
        case Level.INVALID if alarm.message == Status.COMM.name:
            return NO_REPLY_GUIDANCE
        case _:
            return ""


class AlarmDetails(QObject):
    """Asks without blocking, one question at a time; another that comes meanwhile is asked once the answer is there."""

    answered = Signal(list, str)
    """Alarms, worst first, and the guidance for the first of them."""
    failed = Signal(str)

    def __init__(self, url: str, path: str, parent: QObject | None = None) -> None:
        """Prepare; nothing is asked yet.

        Args:
            url: base of the interface.
            path: of the channel in the alarm tree.
            parent: as Qt has it.
        """
        super().__init__(parent)
        self._url = url
        self._path = quote(path)
        self._network = QNetworkAccessManager(self)
        self._asking = False
        self._again = False
        self._active: list[AlarmDetail] = []
        self._alarms: list[AlarmDetail] = []

    def ask(self) -> None:
        """Ask for the alarms of the channel."""
        if self._asking:
            self._again = True
            return
        self._asking = True
        self._get(f"/active?path={self._path}", self._take_active)

    def _take_active(self, answer: Any) -> None:
        self._active = read_details(answer)
        self._get(f"/acknowledged?path={self._path}", self._take_acknowledged)

    def _take_acknowledged(self, answer: Any) -> None:
        self._alarms = worst_first([*self._active, *read_details(answer)])
        first = self._alarms[0] if self._alarms else None
        if first is None or guidance_instead(first):
            self._finish("" if first is None else guidance_instead(first))
        else:
            self._get(f"/pv/{quote(first.pv)}", self._take_guidance)

    def _take_guidance(self, answer: Any) -> None:
        self._finish(read_guidance(answer))

    def _finish(self, guidance: str) -> None:
        self.answered.emit(self._alarms, guidance)
        self._ask_next()

    def _fail(self, why: str) -> None:
        self.failed.emit(why)
        self._ask_next()

    def _ask_next(self) -> None:
        again, self._asking, self._again = self._again, False, False
        if again:
            self.ask()

    def _get(self, target: str, take: Callable[[Any], None]) -> None:
        request = QNetworkRequest(QUrl(f"{self._url}{target}"))
        request.setTransferTimeout(TIMEOUT_MS)
        reply = self._network.get(request)
        if reply is None:
            self._fail("no network")
            return

        def finish() -> None:
            reply.deleteLater()
            try:
                take(read_json(reply))
            except ValueError as err:
                _log.warning("%s%s: %s", self._url, target, err)
                self._fail(str(err))

        reply.finished.connect(finish)
