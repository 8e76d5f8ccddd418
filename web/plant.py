"""What is installed, from the site folder: controllers, channels, services, their PVs and what the records say of them."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from sipmdcs.controllers import controller_type
from sipmdcs.epicsdb import Record
from sipmdcs.errors import BadInput
from sipmdcs.site import Site

logger = logging.getLogger(__name__)

_STATES = ("ZR", "ON", "TW", "TH", "FR", "FV", "SX", "SV", "EI", "NI", "TE", "EL", "TV", "TT", "FT", "FF")
"""Prefixes of the fields of an ``mbbi`` that name its states, in their order (EPICS Base, ``mbbiRecord.dbd``)."""


@dataclass(frozen=True, slots=True)
class Channel:
    """One bias output."""

    prefix: str
    """``DET:SUB:CTRL:CHnn``."""
    number: int
    """From 1."""
    label: str
    """As in the channel table, ``17.03``."""


@dataclass(frozen=True, slots=True)
class Controller:
    """One controller."""

    name: str
    prefix: str
    subsystem: str
    driver: str
    ioc: str
    channels: tuple[Channel, ...]


@dataclass(frozen=True, slots=True)
class ServiceEntry:
    """One process that publishes service PVs."""

    name: str
    prefix: str
    kind: str
    """``ioc`` or ``service``."""


@dataclass(frozen=True)
class Plant:
    """The installation."""

    controllers: tuple[Controller, ...]
    services: tuple[ServiceEntry, ...]
    units: Mapping[str, str]
    """Unit of a PV; one without is not in it."""
    labels: Mapping[str, tuple[str, ...]]
    """Names of the states of a PV that has such."""

    @cached_property
    def _prefixes(self) -> frozenset[str]:
        return frozenset(channel.prefix for row in self.controllers for channel in row.channels)

    def channel_of(self, pv: str) -> str | None:
        """Prefix of the channel that a PV belongs to, if any."""
        prefix = pv.rpartition(":")[0]
        return prefix if prefix in self._prefixes else None


def read_plant(site: Site) -> Plant:
    """The installation of a site folder; an IOC that is not rendered yet has no units and labels.

    Raises:
        BadInput: a driver is not installed.
    """
    records = list(_records(site))
    return Plant(
        tuple(_controller(site, name) for name in site.file.controllers),
        tuple(
            ServiceEntry(name, site.service_prefix(name), "ioc" if name in site.file.iocs else "service")
            for name in site.service_names
        ),
        {record.name: record.fields["EGU"] for record in records if "EGU" in record.fields},
        {record.name: labels for record in records if (labels := _labels(record))},
    )


def _controller(site: Site, name: str) -> Controller:
    entry = site.file.controllers[name]
    prefix = site.controller_prefix(name)
    numbers = range(1, controller_type(entry.driver).channels + 1)
    channels = tuple(Channel(f"{prefix}:CH{number:02d}", number, f"{entry.id}.{number:02d}") for number in numbers)
    return Controller(name, prefix, entry.subsystem, entry.driver, site.ioc_of(name), channels)


def _records(site: Site) -> Iterable[Record]:
    for ioc in site.file.iocs:
        try:
            yield from site.ioc_records(ioc)
        except BadInput as err:
            logger.warning("%s", err)
    for service in site.file.services:
        yield from site.service_records(service)


def _labels(record: Record) -> tuple[str, ...]:
    if record.type in ("bi", "bo"):
        return record.fields.get("ZNAM", ""), record.fields.get("ONAM", "")
    if record.type not in ("mbbi", "mbbo"):
        return ()
    texts = [record.fields.get(f"{state}ST", "") for state in _STATES]
    while texts and not texts[-1]:
        texts.pop()
    return tuple(texts)
