"""Heartbeats of IOCs and services, and how old each is."""

from __future__ import annotations

from collections.abc import Sequence

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
    def age_s(self) -> float:
        """Seconds since the last heartbeat; infinite if there was none."""
        return self._heartbeat.age()

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


class ServiceGroup(QObject):
    """Several processes told in a few words: how many live, how old the oldest heartbeat is, or who is gone."""

    def __init__(self, title: str, entries: Sequence[ServiceEntry], parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._title = title
        self._services = [ServiceWatch(entry, self) for entry in entries]

    @property
    def all_alive(self) -> bool:
        """Nobody is missing."""
        return all(service.alive for service in self._services)

    @property
    def text(self) -> str:
        """One line."""
        dead = [service for service in self._services if not service.alive]
        start = f"{self._title} {len(self._services) - len(dead)}/{len(self._services)}"
        if not dead:
            ages = [service.age_s for service in self._services]
            return f"{start} · {max(ages):.0f} s" if ages else start
        if len(dead) == len(self._services):
            return start
        others = f" +{len(dead) - 1}" if len(dead) > 1 else ""
        return f"{start} · {dead[0].entry.name} gone{others}"

    @property
    def details(self) -> str:
        """One line each."""
        return "\n".join(f"{service.entry.name}: {service.text}" for service in self._services)

    def channels(self) -> list[PyDMChannel]:
        """For PyDM's tools."""
        return [channel for service in self._services for channel in service.channels()]

    def close(self) -> None:
        """Stop following."""
        for service in self._services:
            service.close()
