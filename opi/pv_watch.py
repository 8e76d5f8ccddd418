"""One PV followed through PyDM, for widgets that paint or combine values instead of showing each in a PyDM widget."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from pydm.widgets.channel import PyDMChannel
from qtpy.QtCore import QObject

from alarms.text import one_line
from opi.qt_signal import Signal
from sipmdcs.severity import Severity

MAX_TEXT = 200
"""Characters of a text that is shown."""


class PvWatch(QObject):
    """The latest value of one PV with its severity and connection.

    PyDM calls only bound methods of a ``QObject`` (its channels are connected in a pool thread, where the proxy that PyQt
    makes for a plain function has no event loop), so every slot here is one.
    """

    changed = Signal()
    """Value, severity or connection is another."""

    def __init__(self, name: str, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.name = name
        self.connected = False
        self.severity = Severity.NO_ALARM
        self.labels: tuple[str, ...] = ()
        """Enumeration strings."""
        self.received = 0.0
        """Monotonic time of the last new value, seconds."""
        self.moved = False
        """A second value has come since the connection: the first may be as old as can be."""
        self._value: Any = None
        self._channel = PyDMChannel(
            address=f"ca://{name}",
            connection_slot=self._set_connected,
            value_slot=self._set_value,
            severity_slot=self._set_severity,
            enum_strings_slot=self._set_labels,
        )
        self._channel.connect()

    @property
    def value(self) -> Any:
        """The last value, ``None`` while nobody answers: an old value is never shown as a present one."""
        return self._value if self.connected else None

    @property
    def text(self) -> str:
        """The value as its enumeration string or as it is, in one line; empty while there is none."""
        value = self.value
        if value is None:
            return ""
        if self.labels and isinstance(value, int) and 0 <= value < len(self.labels):
            return one_line(self.labels[value], MAX_TEXT)
        return one_line(str(value), MAX_TEXT)

    def age(self) -> float:
        """Seconds since the last new value; infinite if there was none."""
        return time.monotonic() - self.received if self.received else float("inf")

    def channels(self) -> list[PyDMChannel]:
        """For PyDM's tools."""
        return [self._channel]

    def close(self) -> None:
        """Stop following."""
        self._channel.disconnect()

    def _set_connected(self, connected: bool) -> None:
        if not connected:
            self._value = None
            self.moved = False
        if connected != self.connected:
            self.connected = connected
            self.changed.emit()

    def _set_value(self, value: Any) -> None:
        if isinstance(value, np.ndarray) or isinstance(self._value, np.ndarray):
            self.moved = True
        elif value == self._value:
            return  # told again after a repair of the connection: no news
        else:
            self.moved = self._value is not None
        self._value = value
        self.received = time.monotonic()
        if self.connected:
            self.changed.emit()

    def _set_severity(self, severity: int) -> None:
        self.severity = Severity(severity)
        self.changed.emit()

    def _set_labels(self, labels: tuple[str, ...]) -> None:
        self.labels = tuple(labels)
