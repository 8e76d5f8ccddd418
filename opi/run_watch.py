"""The run that is open, for the header of the screens."""

from __future__ import annotations

from pydm.widgets.channel import PyDMChannel
from qtpy.QtCore import QObject

from opi.pv_watch import PvWatch
from opi.qt_signal import Signal
from sipmdcs.severity import Severity

UNKNOWN = ""
"""Text where nobody knows whether a run is open."""


def run_text(number: int | None, state: str) -> str:
    """A run in two or three words.

    Args:
        number: of the run, ``None`` if it is not known.
        state: as the PV names it: NONE, INIT, RUNNING, PAUSED, ENDED or ABORTED; empty if it is not known.
    """
    if not state or number is None:
        return UNKNOWN
    if state not in ("INIT", "RUNNING", "PAUSED"):
        return "No run"
    return f"Run {number}" if state == "RUNNING" else f"Run {number} {state.lower()}"


class RunWatch(QObject):
    """Number and state of the run of the default partition."""

    changed = Signal()

    def __init__(self, run: str, parent: QObject | None = None) -> None:
        """Follow the PVs below ``run``, such as ``DET:RUN``."""
        super().__init__(parent)
        self._number = PvWatch(f"{run}:NUMBER", self)
        self._state = PvWatch(f"{run}:STATE", self)
        for watch in (self._number, self._state):
            watch.changed.connect(self.changed)

    @property
    def text(self) -> str:
        """What the header says; ``UNKNOWN`` while the logbook does not answer or is not sure."""
        known = self._state.severity is not Severity.INVALID
        return run_text(self._number.value, self._state.text if known else "")

    def channels(self) -> list[PyDMChannel]:
        """For PyDM's tools."""
        return [*self._number.channels(), *self._state.channels()]

    def close(self) -> None:
        """Stop following."""
        self._number.close()
        self._state.close()
