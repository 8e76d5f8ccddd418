"""Real servers in processes of their own, with data: on SQLite with a running detector, on PostgreSQL with nothing else."""

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import yaml
from sqlalchemy import text

from sipmdcs.database import make_engine
from tests.postgresql import PostgresServer
from tests.system.installation import wait_until
from tests.web.seed import CHANNEL, fill

PROJECT = Path(__file__).parents[2]
PORTS = ("ca", "repeater", "archiver", "alarms", "logbook", "web", "memcached")


@dataclass(frozen=True)
class WebSite:
    """A site whose web service can be asked."""

    folder: Path
    port: int
    http: httpx.Client
    """Its base is the web service."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def sipmdcs(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        program = Path(sys.executable).with_name("sipmdcs")
        command = [str(program), "--site", str(self.folder), *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, cwd=self.folder)

    def make_versions(self) -> None:
        """Two versions of settings, by the config tool itself."""
        for command in (
            ("import", "--channels", "channels.csv"),
            ("set", "default", "CURRENT_LIMIT", "20", "--message", "slower"),
        ):
            done = self.sipmdcs("config", *command)
            assert done.returncode == 0, done.stderr

    @contextmanager
    def serving(self) -> Iterator[subprocess.Popen[bytes]]:
        """The web service alone."""
        program = Path(sys.executable).with_name("sipmdcs")
        log = (self.folder / "web.log").open("wb")
        process = subprocess.Popen([str(program), "--site", str(self.folder), "web"], stdout=log, stderr=log)
        try:
            wait_until(lambda: self.answers() or process.poll() is not None, 60, "the web service answers")
            assert process.poll() is None, (self.folder / "web.log").read_text()
            yield process
        finally:
            process.terminate()
            process.wait(30)
            log.close()

    def answers(self) -> bool:
        try:
            return self.http.get("/health").is_success
        except httpx.TransportError:
            return False


def make_site(folder: Path, ports: list[int], **keys: object) -> WebSite:
    """A copy of the smallest example with a second controller, on free ports."""
    shutil.copytree(PROJECT / "examples" / "minimal", folder, ignore=shutil.ignore_patterns("var"))
    site = yaml.safe_load((folder / "site.yaml").read_text("utf-8"))
    port = dict(zip(PORTS, ports, strict=True))
    site["channel_access"] = {"server_port": port["ca"], "repeater_port": port["repeater"]}
    site |= {name: {"port": port[name]} for name in PORTS[2:]}
    site["controllers"]["HV1"] = {"driver": "padme-nim", "id": "2", "subsystem": "VETO", "port": "sim"}
    site["iocs"]["veto"] = {"controllers": ["HV1"]}
    site["services"] = ["archiver", "alarms", "web"]
    for key, value in keys.items():
        site[key] = site[key] | value if isinstance(value, dict) else value
    (folder / "site.yaml").write_text(yaml.safe_dump(site, sort_keys=False), "utf-8")
    url = f"http://127.0.0.1:{port['web']}"
    return WebSite(folder, port["web"], httpx.Client(base_url=url, timeout=30, trust_env=False))


@pytest.fixture(scope="session")
def detector(tmp_path_factory: pytest.TempPathFactory, free_ports: Callable[[int], list[int]]) -> Iterator[WebSite]:
    """Everything runs, on SQLite."""
    site = make_site(tmp_path_factory.mktemp("web") / "site", free_ports(len(PORTS)))
    site.make_versions()
    fill(f"sqlite:///{site.folder / 'var' / 'sipmdcs.sqlite'}")
    try:
        started = site.sipmdcs("up")
        assert started.returncode == 0, started.stdout + started.stderr
        archived = "/api/v1/archive?filter[pv][EQ]=" + f"{CHANNEL}:TEMP_RBV"
        wait_until(lambda: site.http.get(archived).json()["meta"]["totalResourceCount"] > 0, 60, "the archive has samples")
        faulted = site.sipmdcs("sim", "fault", "HV1", "3", "card-error", "5")
        assert faulted.returncode == 0, faulted.stderr
        events = "/api/v1/alarmevents?filter[pv][CT]=HV1:CH03"
        wait_until(lambda: site.http.get(events).json()["meta"]["totalResourceCount"] > 0, 60, "an alarm has a history")
        yield site
    finally:
        site.sipmdcs("down")
        site.http.close()


@pytest.fixture(scope="session")
def elsewhere(
    tmp_path_factory: pytest.TempPathFactory, free_ports: Callable[[int], list[int]], postgresql: PostgresServer
) -> Iterator[WebSite]:
    """The web service alone on PostgreSQL, with a role of its own."""
    url = own_database(postgresql, "web_tests")
    role = url.replace("postgres@", "sipmdcs_web@")
    site = make_site(tmp_path_factory.mktemp("web") / "site", free_ports(len(PORTS)), database=url, web={"database": role})
    site.make_versions()
    fill(url)
    granted = site.sipmdcs("web", "grant", "--execute")
    assert granted.returncode == 0, granted.stderr
    with site.serving():
        yield site
    site.http.close()


def own_database(server: PostgresServer, name: str) -> str:
    """URL of a new database, which other tests do not empty."""
    admin = make_engine(server.url)
    with admin.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8'"))
    admin.dispose()
    return server.url.rsplit("/", 1)[0] + f"/{name}"


@pytest.fixture(params=["sqlite", "postgresql"])
def site(request: pytest.FixtureRequest) -> WebSite:
    """Both of them."""
    return request.getfixturevalue("detector" if request.param == "sqlite" else "elsewhere")
