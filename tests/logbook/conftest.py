from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from logbook.desk import Desk
from logbook.logbookfile import LogbookFile
from logbook.store import Store
from sipmdcs.clock import ManualClock
from sipmdcs.database import make_engine
from sipmdcs.site import Site
from sipmdcs.spool import Spool
from tests.logbook.run_service import RunService, write_site
from tests.postgresql import PostgresServer

MakeDesk = Callable[..., Desk]


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    store = Store(make_engine(database_url))
    yield store
    store.close()


@pytest.fixture(scope="session")
def server_to_stop(free_ports: Callable[[int], list[int]]) -> Iterator[PostgresServer]:
    """Made once: that takes longer than starting it."""
    server = PostgresServer(free_ports(1)[0])
    yield server
    server.remove()


@pytest.fixture
def postgresql_to_stop(server_to_stop: PostgresServer) -> Iterator[PostgresServer]:
    """A running PostgreSQL server with an empty database, which this test may stop and start."""
    server_to_stop.start()
    admin = make_engine(server_to_stop.url)
    with admin.begin() as connection:
        connection.execute(text("DROP SCHEMA public CASCADE"))
        connection.execute(text("CREATE SCHEMA public"))
    admin.dispose()
    yield server_to_stop
    server_to_stop.stop()


@pytest.fixture
def make_desk(tmp_path: Path, clock: ManualClock) -> Iterator[MakeDesk]:
    """Makes the desk of a database, as a process that starts does: each call is a restart."""
    stores: list[Store] = []

    def make(database_url: str, **settings: object) -> Desk:
        file = LogbookFile.model_validate({"partitions": ["MAIN", "LED"]} | settings)
        stores.append(Store(make_engine(database_url)))
        desk = Desk(file, stores[-1], Spool(tmp_path / "spool"), tmp_path / "present.json", clock)
        desk.tend()
        return desk

    yield make
    for store in stores:
        store.close()


@pytest.fixture
def make_site(tmp_path: Path, free_ports: Callable[[int], list[int]]) -> Callable[..., Site]:
    """Makes the folder of a site with a logbook."""

    return lambda **settings: write_site(tmp_path / "site", free_ports, **settings)


@pytest.fixture
def run_service(make_site: Callable[..., Site]) -> Iterator[Callable[..., RunService]]:
    """Starts the logbook service of a new site, in a process."""
    services: list[RunService] = []

    def start(**settings: str) -> RunService:
        services.append(RunService(make_site(**settings)))
        services[-1].start()
        return services[-1]

    yield start
    for service in services:
        service.kill()
