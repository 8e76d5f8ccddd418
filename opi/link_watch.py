"""Whether what is known of a controller is the present."""

from __future__ import annotations

from enum import Enum

from pydm.widgets.channel import PyDMChannel
from qtpy.QtCore import QObject

from opi.pv_watch import PvWatch
from opi.qt_signal import Signal

STALE_POLLS = 5
"""Polls without a heartbeat after which values are called stale."""
STALE_LEAST_S = 5.0


def stale_after_s(*periods_s: float | None) -> float:
    """How long a heartbeat may be away, given the poll periods that are wanted and in force, ``None`` if not known."""
    known = [float(period_s) for period_s in periods_s if period_s]
    return max(STALE_LEAST_S, STALE_POLLS * max(known, default=1.0))


class Link(Enum):
    """Whether what is known of a controller is the present."""

    LIVE = "live"
    WAITING = "waiting for a poll"
    """Just connected: what came is the last poll, whenever that was."""
    STALE = "stale"
    """The IOC answers but its poll loop stands still."""
    NO_REPLY = "no reply"
    """The IOC answers, the controller does not."""
    LOST = "IOC lost"
    """Nobody answers for the controller's PVs."""


class LinkWatch(QObject):
    """Connection, heartbeat and poll period of one controller."""

    changed = Signal()
    """A poll, or a connection that came or went; silence sends no signal, so look again now and then."""

    def __init__(self, prefix: str, parent: QObject | None = None) -> None:
        """Follow the controller whose PVs begin with ``prefix``."""
        super().__init__(parent)
        self._connected = PvWatch(f"{prefix}:CONNECTED", self)
        self._heartbeat = PvWatch(f"{prefix}:HEARTBEAT", self)
        self._period = PvWatch(f"{prefix}:POLL_PERIOD", self)
        self._period_in_force = PvWatch(f"{prefix}:POLL_PERIOD_RBV", self)
        for watch in self.watches:
            watch.changed.connect(self.changed)

    @property
    def watches(self) -> tuple[PvWatch, ...]:
        """Its PVs."""
        return (self._connected, self._heartbeat, self._period, self._period_in_force)

    @property
    def link(self) -> Link:
        """Whether values are the present ones."""
        if not self._heartbeat.connected:
            return Link.LOST
        if self._connected.value == 0:
            return Link.NO_REPLY
        if not self._heartbeat.moved:
            return Link.WAITING
        if self._heartbeat.age() > stale_after_s(self._period.value, self._period_in_force.value):
            return Link.STALE
        return Link.LIVE

    @property
    def text(self) -> str:
        """The same in a few words."""
        return f"stale {self.age_s:.0f} s" if self.link is Link.STALE else self.link.value

    @property
    def age_s(self) -> float:
        """Seconds since the last poll; infinite if there was none."""
        return self._heartbeat.age()

    def polled_since(self, received: float) -> bool:
        """Whether there was a poll after a value that was received at that monotonic time, s."""
        return self._heartbeat.received > received

    def channels(self) -> list[PyDMChannel]:
        """For PyDM's tools."""
        return [channel for watch in self.watches for channel in watch.channels()]

    def close(self) -> None:
        """Stop following."""
        for watch in self.watches:
            watch.close()
