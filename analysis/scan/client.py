"""The scanner as the command line sees it: its PVs."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from analysis.scan.chartext import from_chars, to_wire
from analysis.scan.published import ScanState
from analysis.scan.request import ScanRequest
from sipmdcs.channels import Channels, PvValue
from sipmdcs.errors import BadInput, ChannelError, NotConnected, PutRefused, ServiceError

_NUMBERS = ("STATE", "PROGRESS", "POINT", "N_POINTS", "REMAINING", "RUN", "N_CHANNELS", "N_STOPPED", "NOT_RESTORED")
_TEXTS = ("MESSAGE", "CHANNELS")


@dataclass(frozen=True, slots=True)
class Status:
    """What the scanner shows."""

    state: ScanState
    numbers: Mapping[str, float]
    started_by: str
    message: str
    channels: tuple[str, ...]

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "state": self.state.name,
            "progress_percent": round(self.numbers["PROGRESS"], 1),
            "point": int(self.numbers["POINT"]),
            "points": int(self.numbers["N_POINTS"]),
            "remaining_s": round(self.numbers["REMAINING"], 1),
            "run": int(self.numbers["RUN"]) or None,
            "started_by": self.started_by,
            "channels": list(self.channels),
            "stopped": int(self.numbers["N_STOPPED"]),
            "not_restored": int(self.numbers["NOT_RESTORED"]),
            "message": self.message,
        }


class ScannerClient:
    """Asks the scanner of a site; raises ``ServiceError`` if there is none, ``BadInput`` if it refuses."""

    def __init__(self, channels: Channels, prefix: str) -> None:
        self._channels = channels
        self._prefix = f"{prefix}:SCAN"

    def request(self, request: ScanRequest, timeout: float = 30.0) -> dict[str, Any]:
        """Have a scan started; the answer, with its ``uid``."""
        self.status()  # so that a scanner that is not there is noticed at once
        request = request.model_copy(update={"id": uuid.uuid4().hex[:16]})
        pv = f"{self._prefix}:REQUEST"
        outcome = self._channels.put({pv: to_wire(request.model_dump_json(exclude_none=True))}, timeout=timeout)[pv]
        if isinstance(outcome, ChannelError) and not isinstance(outcome, PutRefused):
            raise self._absent(outcome)
        reply = self._json("REPLY")
        if reply.get("id") != request.id:  # somebody else has been refused since
            reply = reply.get("accepted", {})
        if reply.get("id") != request.id:
            raise BadInput(f"the scanner refused: {self._text('MESSAGE')}")
        if not reply["ok"]:
            raise BadInput(reply["reason"])
        return reply

    def command(self, suffix: str) -> None:
        """PAUSE, RESUME, ABORT or ACKNOWLEDGE."""
        pv = f"{self._prefix}:{suffix}"
        outcome = self._channels.put({pv: 1}, timeout=15.0)[pv]
        if isinstance(outcome, PutRefused):
            raise BadInput(self._text("MESSAGE").removeprefix("refused: "))
        if outcome is not None:
            raise self._absent(outcome)

    def status(self) -> Status:
        """What it does now."""
        wanted = [f"{self._prefix}:{suffix}" for suffix in (*_NUMBERS, *_TEXTS, "STARTED_BY")]
        answers: dict[str, PvValue] = {}
        for name, answer in self._channels.get(wanted).items():
            if isinstance(answer, ChannelError):
                raise self._absent(answer)
            answers[name.rpartition(":")[2]] = answer
        numbers = {suffix: float(np.asarray(answers[suffix].value)) for suffix in _NUMBERS}
        channels = tuple(from_chars(answers["CHANNELS"].value).split())
        message = from_chars(answers["MESSAGE"].value)
        return Status(ScanState(int(numbers["STATE"])), numbers, str(answers["STARTED_BY"].value), message, channels)

    def result(self, uid: str) -> dict[str, Any] | None:
        """How a scan ended, ``None`` if it has not or another has since."""
        answer = self._json("RESULT")
        return answer if answer.get("uid") == uid else None

    def wait_idle(self, timeout: float) -> Status:
        """Wait until nothing goes on any more."""
        deadline = time.monotonic() + timeout
        while (status := self.status()).state not in (ScanState.IDLE, ScanState.FAILED):
            if time.monotonic() > deadline:
                raise ServiceError(f"the scanner is still {status.state.name} after {timeout:g} s: {status.message}")
            time.sleep(0.1)
        return status

    def _text(self, suffix: str) -> str:
        pv = f"{self._prefix}:{suffix}"
        answer = self._channels.get([pv])[pv]
        if isinstance(answer, ChannelError):
            raise self._absent(answer)
        return from_chars(answer.value)

    def _json(self, suffix: str) -> dict[str, Any]:
        text = self._text(suffix)
        return json.loads(text) if text else {}

    def _absent(self, err: ChannelError) -> ServiceError:
        hint = "; does it run? sipmdcs status" if isinstance(err, NotConnected) else ""
        return ServiceError(f"the scanner does not answer: {err}{hint}")
