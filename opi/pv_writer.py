"""Writing one PV, and what came of it."""

from __future__ import annotations

from pydm.data_plugins import is_read_only
from pydm.widgets.channel import PyDMChannel
from qtpy.QtCore import QObject

from opi.qt_signal import Signal
from opi.writes import shared_writes
from sipmdcs.outcome import Outcome, Result


class PvWriter(QObject):
    """The latest write to one PV: under way, or with its outcome. Another one may be sent at any time and takes its place."""

    writable_changed = Signal(bool)
    changed = Signal()
    """A write was sent, or its outcome is known."""

    def __init__(self, name: str, parent: QObject | None = None) -> None:
        """Connect.

        Args:
            name: the PV.
            parent: as Qt has it.
        """
        super().__init__(parent)
        self.name = name
        self.connected = False
        self.pending: float | int | None = None
        """What is being written; ``None`` if nothing is under way."""
        self.outcome: Outcome | None = None
        """Of the last write; ``None`` while one is under way, and before the first."""
        self._access = False
        self._ticket: int | None = None
        self._writes = shared_writes()
        self._writes.decided.connect(self._take)
        self._channel = PyDMChannel(
            address=f"ca://{name}", connection_slot=self._set_connected, write_access_slot=self._set_access
        )
        self._channel.connect()

    @property
    def writable(self) -> bool:
        """Whether a write has a chance."""
        return not self.why_not

    @property
    def why_not(self) -> str:
        """Why nothing can be written; empty if it can."""
        if is_read_only():
            return "this screen is read-only"
        if not self.connected:
            return f"{self.name} is not connected"
        return "" if self._access else f"{self.name}: no write access"

    def write(self, value: float | int) -> None:
        """Write; ``changed`` follows at once and again with the outcome."""
        if not self.writable:
            self.refuse(value, self.why_not)
            return
        self.pending, self.outcome = value, None
        self._ticket = self._writes.submit(self.name, value)
        self.changed.emit()

    def refuse(self, value: float | int | str, reason: str) -> None:
        """Note that a value is not sent, and why. A write under way stays the one whose outcome is shown next."""
        self.outcome = Outcome(self.name, Result.REFUSED, value, reason=f"{reason}; not sent")
        self.changed.emit()

    def forget(self) -> None:
        """Forget the outcome of the last write."""
        if self.outcome is not None:
            self.outcome = None
            self.changed.emit()

    def channels(self) -> list[PyDMChannel]:
        """For PyDM's tools."""
        return [self._channel]

    def close(self) -> None:
        """Stop following; a write that is under way goes on, and its outcome to the log."""
        self._ticket = None
        self._channel.disconnect()

    def _take(self, ticket: int, outcome: Outcome) -> None:
        if ticket == self._ticket:
            self._ticket = self.pending = None
            self.outcome = outcome
            self.changed.emit()

    def _set_connected(self, connected: bool) -> None:
        self.connected = connected
        self.writable_changed.emit(self.writable)

    def _set_access(self, access: bool) -> None:
        self._access = access
        self.writable_changed.emit(self.writable)
