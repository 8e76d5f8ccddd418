from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from configtool.importer import ImportResult, import_tables
from configtool.parameters import INITIAL, Parameter
from configtool.resolution import Installed, resolve
from configtool.schema import read_parameters, upgrade
from configtool.store import Store
from configtool.targets import Target, build_targets
from configtool.versions import head, load_settings
from sipmdcs.channels_fake import FakeChannels
from sipmdcs.controllers import ControllerType
from sipmdcs.database import make_engine

PROJECT = Path(__file__).parents[2]
POSTGRESQL = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
COLUMNS = "controller,channel,cable_position,preamp_position,sipm_serial,vbr_V,vop_V,dark_current_uA"


@pytest.fixture(scope="session")
def real_data(shared_data: Path) -> Path:
    """Folder of the real channel tables."""
    return shared_data / "padme"


@pytest.fixture(scope="session")
def postgresql(free_ports: Callable[[int], list[int]]) -> Iterator[str]:
    """URL of a PostgreSQL server of our own. It refuses to run as root, so it then runs as postgres; it dies with the tests."""
    if not POSTGRESQL:
        pytest.skip("PostgreSQL is not installed: no /usr/lib/postgresql/*/bin/initdb")
    programs = POSTGRESQL[-1].parent
    root = os.geteuid() == 0
    user = ["--reuid=postgres", "--regid=postgres", "--clear-groups"] if root else []
    prefix = ["setpriv", *user, "--pdeathsig=QUIT"]
    environment = {"LC_ALL": "C", "PATH": os.environ["PATH"]}
    folder = Path(tempfile.mkdtemp(prefix="sipmdcs-pg-"))
    if root:
        shutil.chown(folder, "postgres", "postgres")
    data, port = str(folder / "data"), str(free_ports(1)[0])
    initdb = [*prefix, str(programs / "initdb"), "-D", data, "-U", "postgres", "-A", "trust", "-N", "-E", "UTF8"]
    server = [*prefix, str(programs / "postgres"), "-D", data, "-p", port, "-h", "127.0.0.1", "-k", str(folder), "-F"]
    try:
        subprocess.run(initdb, check=True, stdout=subprocess.DEVNULL, cwd=folder, env=environment)
        with subprocess.Popen(server, stderr=subprocess.PIPE, text=True, cwd=folder, env=environment) as process:
            assert process.stderr is not None
            log = process.stderr
            assert any("ready to accept connections" in line for line in log)
            # Nobody reads on: a full pipe would stop the server.
            reader = threading.Thread(target=log.read, daemon=True)
            reader.start()
            try:
                yield f"postgresql+psycopg://postgres@127.0.0.1:{port}"
            finally:
                process.send_signal(signal.SIGQUIT)
                process.wait()
                reader.join()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """URL of an empty database, once SQLite and once PostgreSQL."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'config.sqlite'}"
    server: str = request.getfixturevalue("postgresql")
    url = f"{server}/postgres"
    admin = make_engine(url)
    with admin.begin() as connection:
        connection.execute(text("DROP SCHEMA public CASCADE"))
        connection.execute(text("CREATE SCHEMA public"))
    admin.dispose()
    return url


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """A database with all tables, of both kinds."""
    engine = make_engine(database_url)
    upgrade(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[Engine]:
    """A SQLite database with all tables, where one kind of database is enough."""
    engine = make_engine(f"sqlite:///{tmp_path / 'config.sqlite'}")
    upgrade(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def store(engine: Engine) -> Store:
    return Store(engine)


@pytest.fixture(scope="session")
def parameters() -> dict[str, Parameter]:
    return {parameter.name: parameter for parameter in INITIAL}


@pytest.fixture(scope="session")
def multi() -> ControllerType:
    """A kind of controller with 16 outputs up to 80 V."""
    return ControllerType("multi", "16 outputs", 16, 0.0, 80.0, ("controller.template",), ("sipm_channel.template",), "-", "-")


@pytest.fixture(scope="session")
def single() -> ControllerType:
    """A kind with one output, 40 to 90 V, that cannot resolve dark currents."""
    macros = (("I_HIGH", "500"), ("I_HIHI", "2000"), ("I_LIMIT", "2500"))
    templates = ("controller.template",), ("sipm_channel.template",)
    return ControllerType("single", "1 output", 1, 40.0, 90.0, *templates, "-", "-", macros)


@pytest.fixture(scope="session")
def installed(multi: ControllerType, single: ControllerType) -> dict[str, Installed]:
    """The 14 controllers of a PADME-like site, and one with a single output."""
    ids = ("07", "08", "10", "13", "14", "15", "16", "17", "18", "19", "21", "22", "23", "24")
    out = {
        one: Installed(f"HV{one}", one, "HEPVETO" if one in ("17", "18") else "VETO", f"DET:VETO:HV{one}", multi) for one in ids
    }
    return out | {"LED": Installed("LED", "LED", "MONITOR", "DET:MONITOR:LED", single)}


@pytest.fixture
def table(tmp_path: Path) -> Callable[..., Path]:
    """Writes a channel table: the rows given, below the header."""

    def write(*rows: str, header: str = COLUMNS, name: str = "channels.csv") -> Path:
        path = tmp_path / name
        path.write_text("\n".join((header, *rows)) + "\n", "utf-8")
        return path

    return write


@pytest.fixture(scope="session")
def rows_of() -> Callable[..., list[str]]:
    """Rows of one controller for ``table``."""

    def rows(controller: str, overvoltage: float = 5.0, count: int = 16) -> list[str]:
        out: list[str] = []
        for n in range(1, count + 1):
            vbr = 50 + n / 100
            place = f"{controller},{n:02d},{controller}.1.{n},001.{n}"
            out.append(f"{place},S{controller}-{n},{vbr:.2f},{vbr + overvoltage:.2f},0.1")
        return out

    return rows


@pytest.fixture(scope="session")
def example() -> Path:
    """Folder of the PADME-like example."""
    return PROJECT / "examples" / "padme-like"


@dataclass(frozen=True)
class Loader:
    """Imports tables into a database."""

    installed: dict[str, Installed]

    def __call__(self, engine: Engine, channels: Path, *mappings: Path, now: datetime | None = None) -> ImportResult:
        when = now or datetime.now(UTC)
        with Store(engine).session() as session:
            return import_tables(session, channels, mappings, self.installed, author="me", message="test", now=when)


@pytest.fixture
def load(installed: dict[str, Installed]) -> Loader:
    return Loader(installed)


@pytest.fixture
def head_targets(installed: dict[str, Installed]) -> Callable[[Engine], tuple[Target, ...]]:
    """What a push of the head has to bring about."""

    def targets(engine: Engine) -> tuple[Target, ...]:
        with Session(engine) as session:
            newest = head(session)
            assert newest is not None
            values = resolve(load_settings(session, newest.number), installed)
            return build_targets(values, installed, read_parameters(session.connection())).targets

    return targets


@pytest.fixture
def make_detector() -> Callable[..., FakeChannels]:
    """A detector in memory: each readback follows its set-point."""

    def make(targets: tuple[Target, ...], start: float = 1.0) -> FakeChannels:
        channels = FakeChannels()
        for target in targets:
            channels.add(target.pv, start, units=target.unit)
            if target.readback:
                channels.add(target.readback, start)
                channels.on_put(target.pv, lambda value, rbv=target.readback: channels.set(rbv, value))
        return channels

    return make
