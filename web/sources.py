"""Everything the API reads from, opened for one site."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sipmdcs.clock import Clock
from sipmdcs.site import Site
from web.alarm_resources import ALARM_EVENTS, ALARMS, AlarmRows
from web.analysis_resources import ANALYSIS
from web.archive_resources import ARCHIVE, PVS
from web.archive_rows import ArchiveRows
from web.bulkhead import Bulkhead
from web.catalogue import Catalogue
from web.config_resources import CONFIGURATION
from web.live import Live, Monitors
from web.live_resources import CHANNELS, CONTROLLERS, SERVICES
from web.live_rows import LiveRows
from web.logbook_resources import LOGBOOK
from web.plant import Plant
from web.query import Source
from web.readonly import open_for_reading
from web.rowcollection import RowCollection
from web.sensors import Sensors, read_sensors
from web.sqlcollection import Database, SqlCollection
from web.upstream import Upstream

_PERMITS = 4
"""Questions to another service at a time."""


@dataclass(frozen=True, slots=True)
class Sources:
    """Open sources and the catalogue over them."""

    database: Database
    archiver: Upstream
    alarms: Upstream
    live: Live
    catalogue: Catalogue

    def health(self) -> Mapping[str, str]:
        """State of each source as last known, of Channel Access how many PVs are connected; waits for nothing."""
        return {
            "database": self.database.bulkhead.state,
            "archiver": self.archiver.bulkhead.state,
            "alarms": self.alarms.bulkhead.state,
            "channels": f"{self.live.connected} of {self.live.size} PVs connected",
        }

    def close(self) -> None:
        """Close all of them."""
        self.live.close()
        self.archiver.close()
        self.alarms.close()
        self.database.close()


def open_sources(site: Site, plant: Plant, monitors: Monitors, clock: Clock) -> Sources:
    """Open every source; one that is away is an error of the questions to it.

    Raises:
        BadInput: the database URL makes no sense.
    """
    engine = open_for_reading(site.read_database_url)
    database = Database(engine, clock)
    archiver = Upstream(site.file.archiver, Bulkhead("the archiver", clock, _PERMITS))
    alarms = Upstream(site.file.alarms, Bulkhead("the alarm service", clock, _PERMITS))
    for source in (database, archiver, alarms):
        source.bulkhead.watch(source.probe)
    live = Live(monitors, clock)
    live_rows = LiveRows(plant, live, Sensors(lambda: read_sensors(engine), clock))
    alarm_rows = AlarmRows(alarms, plant.channel_of, clock)
    archive_rows = ArchiveRows(archiver, plant.channel_of, clock)
    in_memory = (
        (CHANNELS, Source.LIVE, live_rows.channels),
        (CONTROLLERS, Source.LIVE, live_rows.controllers),
        (SERVICES, Source.LIVE, live_rows.services),
        (ALARMS, Source.ALARMS, alarm_rows.alarms),
        (ALARM_EVENTS, Source.ALARMS, alarm_rows.events),
        (PVS, Source.ARCHIVER, archive_rows.pvs),
        (ARCHIVE, Source.ARCHIVER, archive_rows.archive),
    )
    catalogue = Catalogue(
        [
            *(SqlCollection(resource, database) for resource in (*LOGBOOK, *CONFIGURATION, *ANALYSIS)),
            *(RowCollection(resource, source, make) for resource, source, make in in_memory),
        ]
    )
    return Sources(database, archiver, alarms, live, catalogue)
