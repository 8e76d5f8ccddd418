"""Heartbeats of IOCs and services, and how old each is."""

from __future__ import annotations

from pydm.widgets.channel import PyDMChannel
from qtpy.QtCore import QObject

from opi.detector import ServiceEntry
from opi.pv_watch import PvWatch

DEAD_AFTER_S = 5.0
"""A heartbeat comes once a second."""


class ServiceWatch(QObject):
    """One process."""

    def __init__(self, entry: ServiceEntry, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.entry = entry
        self._heartbeat = PvWatch(entry.heartbeat, self)

    @property
    def alive(self) -> bool:
        """Connected and heard of lately."""
        return self._heartbeat.connected and self._heartbeat.age() < DEAD_AFTER_S

    @property
    def text(self) -> str:
        """Age of the heartbeat, or that there is none."""
        age = self._heartbeat.age()
        if not self._heartbeat.connected:
            return "gone" if age == float("inf") else f"gone for {age:.0f} s"
        return "starting" if age == float("inf") else f"{age:.0f} s"

    def channels(self) -> list[PyDMChannel]:
        """For PyDM's tools."""
        return self._heartbeat.channels()

    def close(self) -> None:
        """Stop following."""
        self._heartbeat.close()
