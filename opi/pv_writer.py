"""Writing one PV, and seeing whether it took."""

from __future__ import annotations

from typing import Any

import numpy as np
from pydm.data_plugins import is_read_only
from pydm.widgets.channel import PyDMChannel
from qtpy.QtCore import QObject

from opi.qt_signal import Signal
from opi.timer import make_timer

ECHO_MS = 3000
"""Time a server has to show the value that was written."""


class PvWriter(QObject):
    """Writes a PV and watches the same PV for what came of it.

    PyDM writes without completion, and a server may refuse or clamp: what counts is the value that the PV has afterwards.
    """

    send = Signal([int], [float], [str], [np.ndarray])
    """To PyDM's plugin."""
    writable_changed = Signal(bool)
    done = Signal()
    failed = Signal(str)
    """Why the PV does not have the value that was written."""

    def __init__(self, name: str, parent: QObject | None = None, *, momentary: bool = False, tolerance: float = 0.0) -> None:
        """Connect.

        Args:
            name: the PV.
            parent: as Qt has it.
            momentary: the record goes back by itself; whether it was accepted cannot be seen on it.
            tolerance: difference between written and present value that counts as equal.
        """
        super().__init__(parent)
        self.name = name
        self.connected = False
        self.value: float | int | str | None = None
        self._access = False
        self._momentary = momentary
        self._tolerance = tolerance
        self._wanted: float | int | None = None
        self._deadline = make_timer(self, ECHO_MS, self._give_up, once=True)
        self._channel = PyDMChannel(
            address=f"ca://{name}",
            connection_slot=self._set_connected,
            value_slot=self._set_value,
            write_access_slot=self._set_access,
            value_signal=self.send,
        )
        self._channel.connect()

    @property
    def writable(self) -> bool:
        """Connected, allowed, and the screens are not read-only."""
        return self.connected and self._access and not is_read_only()

    @property
    def why_not(self) -> str:
        """Why the PV cannot be written now; empty if it can."""
        if is_read_only():
            return "these screens are read-only"
        if not self.connected:
            return f"{self.name} is not connected"
        return "" if self._access else f"{self.name}: no write access"

    def write(self, value: float | int) -> None:
        """Write; ``done`` or ``failed`` follows."""
        if not self.writable:
            self.failed.emit(self.why_not)
            return
        kind = int if isinstance(value, int) else float
        self.send[kind].emit(value)
        if self._momentary:
            self.done.emit()
            return
        self._wanted = value
        self._deadline.start()
        self._look()

    def channels(self) -> list[PyDMChannel]:
        """For PyDM's tools."""
        return [self._channel]

    def close(self) -> None:
        """Stop following."""
        self._deadline.stop()
        self._channel.disconnect()

    def _look(self) -> None:
        if self._wanted is None or not isinstance(self.value, int | float):
            return
        if abs(self.value - self._wanted) <= self._tolerance:
            self._wanted = None
            self._deadline.stop()
            self.done.emit()

    def _give_up(self) -> None:
        wanted, self._wanted = self._wanted, None
        if wanted is not None:
            self.failed.emit(f"not accepted: asked for {wanted:g}, {self.name} has {self.value}")

    def _set_connected(self, connected: bool) -> None:
        self.connected = connected
        self.writable_changed.emit(self.writable)

    def _set_access(self, access: bool) -> None:
        self._access = access
        self.writable_changed.emit(self.writable)

    def _set_value(self, value: Any) -> None:
        self.value = value
        self._look()
