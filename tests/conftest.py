"""What every part's tests share: free ports and the folder of real data."""

import os
import random
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from sqlalchemy import text
from xdist.remote import Producer

from sipmdcs.database import make_engine
from tests.postgresql import PostgresServer
from tests.side_by_side import FolderFixtures, FolderScheduling, longest_first

PROJECT = Path(__file__).parents[1]

settings.register_profile("busy", deadline=None)  # how long an example takes says nothing on a machine that is busy
settings.load_profile("busy")

PORTS = (10_000, 32_000)
"""Below the range from which the kernel takes the ports of outgoing connections, so that none of those comes in between."""


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(FolderFixtures())


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> FolderScheduling:
    return FolderScheduling(config, log)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if "PYTEST_XDIST_WORKER" in os.environ:
        longest_first(items)


@pytest.fixture(scope="session")
def free_ports() -> Callable[[int], list[int]]:
    """So many different ports, free on 127.0.0.1 for UDP and TCP, none of them given out twice in this session."""
    given: set[int] = set()
    chance = random.Random()
    mine = range(PORTS[0] + _place(), PORTS[1], _places())

    def find(count: int) -> list[int]:
        found: list[int] = []
        while len(found) < count:
            port = chance.choice(mine)
            if port not in given and _is_free(port):
                given.add(port)
                found.append(port)
        return found

    return find


@pytest.fixture
def free_port(free_ports: Callable[[int], list[int]]) -> int:
    """One free port."""
    return free_ports(1)[0]


def _place() -> int:
    """Number of this process among those that run tests side by side; each has ports of its own."""
    return int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))


def _places() -> int:
    return int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))


def _is_free(port: int) -> bool:
    for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
        with socket.socket(socket.AF_INET, kind) as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                return False
    return True


@pytest.fixture(scope="session")
def postgresql(free_ports: Callable[[int], list[int]]) -> Iterator[PostgresServer]:
    """A PostgreSQL server that all tests share; nobody stops it."""
    server = PostgresServer(free_ports(1)[0])
    try:
        server.start()
        yield server
    finally:
        server.remove()


@pytest.fixture
def postgresql_to_stop(free_port: int) -> Iterator[PostgresServer]:
    """A running PostgreSQL server of this test alone, which may stop and start it."""
    server = PostgresServer(free_port)
    try:
        server.start()
        yield server
    finally:
        server.remove()


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """URL of an empty database, once SQLite and once PostgreSQL."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'test.sqlite'}"
    server: PostgresServer = request.getfixturevalue("postgresql")
    admin = make_engine(server.url)
    with admin.begin() as connection:
        connection.execute(text("DROP SCHEMA public CASCADE"))
        connection.execute(text("CREATE SCHEMA public"))
    admin.dispose()
    return server.url


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real data that does not come with the project: ``SIPMDCS_DATA``, else ``../shared/data``."""
    folder = Path(os.environ.get("SIPMDCS_DATA") or PROJECT.parent / "shared" / "data")
    if not folder.is_dir():
        pytest.skip(f"real data are not in {folder}; name their folder in SIPMDCS_DATA")
    return folder


@pytest.fixture(scope="session", autouse=True)
def signals_of_a_terminal() -> None:
    """Processes that tests start hear SIGINT and SIGHUP, even if this one was started in the background of a script."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture(autouse=True)
def environment_restored() -> Iterator[None]:
    """No test sees the environment variables of another: a command run in this process sets those of its site."""
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)
