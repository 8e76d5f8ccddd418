"""What the screens show of an installation, and the names of its PVs: the one place where PV names are put together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from opi.environment import service_url
from sipmdcs.controllers import controller_type
from sipmdcs.site import Site


class Quantity(Enum):
    """What the heat map can show: label, PV suffix of the channel, unit, decimals, smallest span of its scale."""

    VMON = ("Voltage", "VMON_RBV", "V", 3, 1.0)
    CURRENT = ("Current", "CURRENT_RBV", "µA", 3, 0.1)
    TEMP = ("Temperature", "TEMP_RBV", "°C", 2, 2.0)
    OVERVOLTAGE = ("Overvoltage", "OVERVOLTAGE_RBV", "V", 3, 0.5)

    def __init__(self, label: str, suffix: str, unit: str, decimals: int, smallest_span: float) -> None:
        self.label = label
        self.suffix = suffix
        self.unit = unit
        self.decimals = decimals
        self.smallest_span = smallest_span
        """Differences well below this are noise and must not fill the whole grey scale."""

    def text(self, value: float) -> str:
        """A value with its unit."""
        return f"{value:.{self.decimals}f} {self.unit}"


@dataclass(frozen=True, slots=True)
class ChannelNames:
    """PV names of one channel."""

    controller: str
    """``DET:SUB:CTRL``."""
    channel: str
    """``CHnn``."""

    @property
    def prefix(self) -> str:
        """``DET:SUB:CTRL:CHnn``."""
        return f"{self.controller}:{self.channel}"

    def pv(self, suffix: str) -> str:
        """Full name of one PV of the channel."""
        return f"{self.prefix}:{suffix}"


@dataclass(frozen=True, slots=True)
class ControllerRow:
    """One controller: a row of the heat map."""

    name: str
    subsystem: str
    prefix: str
    channels: int
    """Bias outputs; names run from ``CH01``."""

    def pv(self, suffix: str) -> str:
        """Full name of one PV of the controller itself."""
        return f"{self.prefix}:{suffix}"

    def waveform(self, suffix: str) -> str:
        """Name of the waveform that holds one property of all channels."""
        return f"{self.prefix}:{suffix}_WF"

    def channel(self, index: int) -> ChannelNames:
        """Names of channel ``index``, counted from 0."""
        return ChannelNames(self.prefix, f"CH{index + 1:02d}")


@dataclass(frozen=True, slots=True)
class ServiceEntry:
    """One process that publishes service PVs."""

    name: str
    heartbeat: str
    is_ioc: bool


@dataclass(frozen=True, slots=True)
class Detector:
    """The installation as the screens see it."""

    title: str
    prefix: str
    rows: tuple[ControllerRow, ...]
    """Controllers, those of one subsystem together, in the order of the site file."""
    services: tuple[ServiceEntry, ...]
    run: str | None
    """Prefix of the PVs of the open run; ``None`` if the site keeps no run table."""
    alarm_heartbeat: str
    """Heartbeat of the alarm service."""
    alarm_url: str
    """Base of the alarm service's HTTP interface."""
    archiver_url: str
    """Base of the archiver's HTTP interface."""

    @property
    def alarm_state(self) -> str:
        """Worst alarm level of the whole tree."""
        return f"{self.prefix}:ALARM:STATE"

    @property
    def alarm_count(self) -> str:
        """Number of PVs in alarm."""
        return f"{self.prefix}:ALARM:N_ALARMS"

    @property
    def alarm_unacknowledged(self) -> str:
        """Number of PVs in alarm that nobody has acknowledged."""
        return f"{self.prefix}:ALARM:N_UNACKED"

    @property
    def alarm_latest(self) -> str:
        """Text of the newest alarms, one a line."""
        return f"{self.prefix}:ALARM:LATEST"

    @property
    def alarm_latest_levels(self) -> str:
        """Level of each line."""
        return f"{self.prefix}:ALARM:LATEST_LEVELS"

    def channel_alarm(self, names: ChannelNames) -> str:
        """Worst alarm level of one channel: the node of the alarm tree named as the channel is."""
        return f"{self.prefix}:ALARM:{names.prefix.removeprefix(f'{self.prefix}:')}"

    def channel_alarm_path(self, names: ChannelNames) -> str:
        """Path of that node."""
        return names.prefix.removeprefix(f"{self.prefix}:").replace(":", "/")

    def row_of(self, prefix: str) -> ControllerRow | None:
        """The controller with this PV prefix."""
        return next((row for row in self.rows if row.prefix == prefix), None)

    def channel_of(self, pv: str) -> ChannelNames | None:
        """The channel that a PV belongs to, if it belongs to one."""
        controller, _, channel = pv.rpartition(":")[0].rpartition(":")
        row = self.row_of(controller)
        number = channel.removeprefix("CH")
        if row is None or not (number.isascii() and number.isdigit() and 1 <= int(number) <= row.channels):
            return None
        names = row.channel(int(number) - 1)
        return names if names.channel == channel else None

    @property
    def channel_count(self) -> int:
        """Bias outputs of all controllers."""
        return sum(row.channels for row in self.rows)


def read_detector(site: Site) -> Detector:
    """The installation of a site folder.

    Raises:
        BadInput: a controller's driver is not installed.
    """
    controllers = site.file.controllers
    subsystems: Sequence[str] = list(dict.fromkeys(entry.subsystem for entry in controllers.values()))
    rows = [
        ControllerRow(name, entry.subsystem, site.controller_prefix(name), controller_type(entry.driver).channels)
        for name, entry in controllers.items()
    ]
    rows.sort(key=lambda row: subsystems.index(row.subsystem))
    services = [
        ServiceEntry(name, f"{site.service_prefix(name)}:HEARTBEAT", name in site.file.iocs) for name in site.service_names
    ]
    return Detector(
        title=site.file.name,
        prefix=site.file.prefix,
        rows=tuple(rows),
        services=tuple(services),
        run=f"{site.file.prefix}:RUN" if "logbook" in site.file.services else None,
        alarm_heartbeat=f"{site.service_prefix('alarms')}:HEARTBEAT",
        alarm_url=service_url(site.file.alarms),
        archiver_url=service_url(site.file.archiver),
    )
