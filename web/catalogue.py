"""All resources, each with the source of its rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from web.alarm_resources import ALARM_EVENTS, ALARMS
from web.analysis_resources import ANALYSIS
from web.archive_resources import ARCHIVE, PVS
from web.config_resources import CONFIGURATION
from web.live_resources import CHANNELS, CONTROLLERS, SERVICES
from web.logbook_resources import LOGBOOK
from web.query import Collection
from web.resource import Resource

RESOURCES: tuple[Resource, ...] = (
    *LOGBOOK,
    *CONFIGURATION,
    *ANALYSIS,
    CHANNELS,
    CONTROLLERS,
    SERVICES,
    ALARMS,
    ALARM_EVENTS,
    PVS,
    ARCHIVE,
)
"""Every resource of the API."""


class Catalogue:
    """Collections by name."""

    def __init__(self, collections: Iterable[Collection]) -> None:
        self.collections: Mapping[str, Collection] = {collection.resource.name: collection for collection in collections}

    def __getitem__(self, name: str) -> Collection:
        return self.collections[name]
