"""Everything the API reads from, opened for one site."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Engine, text
from sqlalchemy.exc import SQLAlchemyError

from sipmdcs.clock import Clock
from sipmdcs.site import Site
from web.alarm_resources import ALARM_EVENTS, ALARMS, AlarmRows
from web.analysis_resources import ANALYSIS
from web.archive_resources import ARCHIVE, PVS
from web.archive_rows import ArchiveRows
from web.catalogue import Catalogue
from web.config_resources import CONFIGURATION
from web.live import Live, Monitors
from web.live_resources import CHANNELS, CONTROLLERS, SERVICES
from web.live_rows import LiveRows
from web.logbook_resources import LOGBOOK
from web.plant import Plant
from web.readonly import open_for_reading
from web.rowcollection import RowCollection
from web.sensors import Sensors, read_sensors
from web.sqlcollection import Database, SqlCollection
from web.sqlselect import SQLITE
from web.upstream import Upstream

OK, AWAY = "ok", "away"


@dataclass(frozen=True, slots=True)
class Sources:
    """Open sources and the catalogue over them."""

    database: Database
    archiver: Upstream
    alarms: Upstream
    live: Live
    catalogue: Catalogue

    def health(self) -> Mapping[str, str]:
        """State of each source: ``ok`` or ``away``, of Channel Access how many PVs are connected. May block."""
        return {
            "database": OK if self.database_answers() else AWAY,
            "archiver": AWAY if self.archiver.away else OK,
            "alarms": AWAY if self.alarms.away else OK,
            "channels": f"{self.live.connected} of {self.live.size} PVs connected",
        }

    def database_answers(self) -> bool:
        """Whether the database answers now. May block."""
        return answers(self.database.engine)

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
    archiver = Upstream("the archiver", site.file.archiver)
    alarms = Upstream("the alarm service", site.file.alarms)
    live = Live(monitors, clock)
    live_rows = LiveRows(plant, live, Sensors(lambda: read_sensors(engine), clock))
    alarm_rows = AlarmRows(alarms, plant.channel_of, clock)
    archive_rows = ArchiveRows(archiver, plant.channel_of, clock)
    in_memory = (
        (CHANNELS, live_rows.channels),
        (CONTROLLERS, live_rows.controllers),
        (SERVICES, live_rows.services),
        (ALARMS, alarm_rows.alarms),
        (ALARM_EVENTS, alarm_rows.events),
        (PVS, archive_rows.pvs),
        (ARCHIVE, archive_rows.archive),
    )
    catalogue = Catalogue(
        [
            *(SqlCollection(resource, database) for resource in (*LOGBOOK, *CONFIGURATION, *ANALYSIS)),
            *(RowCollection(resource, make) for resource, make in in_memory),
        ]
    )
    return Sources(database, archiver, alarms, live, catalogue)


def answers(engine: Engine) -> bool:
    """Whether a database answers now. May block."""
    try:
        with engine.connect() as connection:
            # SQLite looks at no file for a SELECT without a table.
            sqlite = engine.dialect.name == SQLITE
            connection.execute(text("SELECT count(*) FROM sqlite_master" if sqlite else "SELECT 1"))
    except SQLAlchemyError:
        return False
    return True
