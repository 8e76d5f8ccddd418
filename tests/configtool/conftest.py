from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Engine
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
COLUMNS = "controller,channel,cable_position,preamp_position,sipm_serial,vbr_V,vop_V,dark_current_uA"


@pytest.fixture(scope="session")
def real_data(shared_data: Path) -> Path:
    """Folder of the real channel tables."""
    return shared_data / "padme"


@pytest.fixture(scope="session")
def sqlite_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with all tables, to be copied: making them takes most of the time of many tests."""
    path = tmp_path_factory.mktemp("template") / "config.sqlite"
    engine = make_engine(f"sqlite:///{path}")
    upgrade(engine)
    engine.dispose()
    return path


@pytest.fixture
def engine(database_url: str, sqlite_file: Path) -> Iterator[Engine]:
    """A database with all tables, of both kinds."""
    engine = make_engine(database_url)
    if engine.url.database and engine.dialect.name == "sqlite":
        shutil.copy(sqlite_file, engine.url.database)
    else:
        upgrade(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def sqlite(tmp_path: Path, sqlite_file: Path) -> Iterator[Engine]:
    """A SQLite database with all tables, where one kind of database is enough."""
    engine = make_engine(f"sqlite:///{shutil.copy(sqlite_file, tmp_path / 'config.sqlite')}")
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

    def __call__(
        self, engine: Engine, channels: Path, *mappings: Path, now: datetime | None = None, replace: bool = False
    ) -> ImportResult:
        when = now or datetime.now(UTC)
        with Store(engine).session() as session:
            who = {"author": "me", "message": "test"}
            return import_tables(session, channels, mappings, self.installed, **who, now=when, replace=replace)


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
    """A detector in memory: each readback follows its setpoint."""

    def make(targets: tuple[Target, ...], start: float = 1.0) -> FakeChannels:
        channels = FakeChannels()
        for target in targets:
            channels.add(target.pv, start, units=target.unit)
            if target.readback:
                channels.add(target.readback, start)
                channels.on_put(target.pv, lambda value, rbv=target.readback: channels.set(rbv, value))
        return channels

    return make
