"""PVs of the scan, ``DET:SCAN:…``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from enum import IntEnum
from typing import Any

from analysis.scan.chartext import to_chars
from sipmdcs.publisher import Publisher, Value

_STRING_BYTES = 39


class ScanState(IntEnum):
    """What the scanner does, as in ``SCAN:STATE``."""

    IDLE = 0
    PREPARING = 1
    """Checking, opening the run, going to the first point."""
    RUNNING = 2
    PAUSED = 3
    ABORTING = 4
    RESTORING = 5
    """Putting the operating point back."""
    FAILED = 6
    """The last scan failed, or something is not back."""


_TEXTS = {"MESSAGE": 1024, "CHANNELS": 32_768, "REPLY": 2048, "RESULT": 65_536}
"""Waveforms of characters and their sizes (``scanner.template``)."""


class Board:
    """Posts what people see; to be used in the event loop of the publisher.

    Args:
        publisher: serves the records.
        prefix: of the detector.
    """

    def __init__(self, publisher: Publisher, prefix: str) -> None:
        self._publisher = publisher
        self._prefix = f"{prefix}:SCAN"
        self.state = ScanState.IDLE

    def pv(self, suffix: str) -> str:
        """Full name of a PV."""
        return f"{self._prefix}:{suffix}"

    def show(self, state: ScanState | None = None, **values: float | str | Mapping[str, Any]) -> None:
        """Post values by suffix; a mapping goes out as JSON."""
        if state is not None:
            self.state = state
        shown: dict[str, Value] = {self.pv("STATE"): int(self.state)}
        for suffix, value in values.items():
            shown[self.pv(suffix)] = _value(suffix, value)
        self._publisher.post(shown)


def _value(suffix: str, value: float | str | Mapping[str, Any]) -> Value:
    if isinstance(value, Mapping):
        value = json.dumps(dict(value))
    if not isinstance(value, str):
        return value
    if suffix in _TEXTS:
        return to_chars(value, _TEXTS[suffix])
    return value.encode("ascii", "replace")[:_STRING_BYTES].decode("ascii")
