"""Screens against real EPICS Base IOCs, offscreen."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

# Qt and PyDM read these when they are imported, which pytest-qt does first of all.
os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
os.environ.setdefault("QT_API", "pyqt6")

from sipmdcs.site import Site
from tests.opi.base_ioc import controller_records, service_records, write_database
from tests.opi.driving import Driver

PREFIX = "SCR"
SITE = {
    "name": "Screens under test",
    "prefix": PREFIX,
    "controllers": {
        "HV01": {"driver": "padme-nim", "id": "1", "subsystem": "NORTH", "port": "sim"},
        "HV02": {"driver": "padme-nim", "id": "2", "subsystem": "SOUTH", "port": "sim"},
        "LED": {"driver": "c11204", "id": "LED", "subsystem": "SOUTH", "port": "sim"},
    },
    "iocs": {"north": {"controllers": ["HV01"]}, "south": {"controllers": ["HV02", "LED"]}},
}


class BaseIoc:
    """One EPICS Base IOC as a process."""

    def __init__(self, database: Path, port: int, beacon_port: int) -> None:
        self._database = database
        self._port = port
        self._beacon_port = beacon_port
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        environment = os.environ | {
            "EPICS_CAS_INTF_ADDR_LIST": "127.0.0.1",
            "EPICS_CAS_SERVER_PORT": str(self._port),
            "EPICS_CA_SERVER_PORT": str(self._port),
            "EPICS_CAS_AUTO_BEACON_ADDR_LIST": "NO",
            "EPICS_CAS_BEACON_ADDR_LIST": "127.0.0.1",
            "EPICS_CAS_BEACON_PORT": str(self._beacon_port),
        }
        script = Path(__file__).with_name("base_ioc.py")
        self._process = subprocess.Popen(
            [sys.executable, str(script), str(self._database)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=environment,
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        while line and "running" not in line:
            line = self._process.stdout.readline()
        assert line, "the IOC did not start"

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None


@pytest.fixture(scope="session")
def ports(free_ports: Callable[[int], list[int]]) -> list[int]:
    """North IOC, south IOC, CA repeater, archiver, alarm service, an IOC of this project."""
    return free_ports(6)


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory, ports: list[int]) -> Site:
    folder = tmp_path_factory.mktemp("screens")
    north, _, repeater, archiver, alarms, _ = ports
    access = {"server_port": north, "repeater_port": repeater, "address_list": ["127.0.0.1"]}
    content = SITE | {"channel_access": access, "archiver": {"port": archiver}, "alarms": {"port": alarms}}
    (folder / "site.yaml").write_text(yaml.safe_dump(content, sort_keys=False), "utf-8")
    return Site(folder)


@pytest.fixture(scope="session")
def iocs(site: Site, ports: list[int]) -> Iterator[dict[str, BaseIoc]]:
    """Two IOCs; the alarm and archiver service PVs live in the northern one."""
    running: dict[str, BaseIoc] = {}
    for (name, ioc), port in zip(site.file.iocs.items(), ports, strict=False):
        records = [record for controller in ioc.controllers for record in controller_records(site, controller)]
        records += service_records(site, name)
        if name == "north":
            records += [record for service in site.file.services for record in service_records(site, service)]
        database = site.folder / f"{name}.db"
        write_database(records, database)
        running[name] = BaseIoc(database, port, ports[2])
        running[name].start()
    yield running
    for ioc in running.values():
        ioc.kill()


@pytest.fixture(scope="session")
def ca_environment(site: Site, ports: list[int]) -> dict[str, str]:
    """Where clients find all IOCs."""
    return site.ca_environment() | {
        "EPICS_CA_ADDR_LIST": " ".join(f"127.0.0.1:{port}" for port in (ports[0], ports[1], ports[5]))
    }


@pytest.fixture(scope="session")
def channel_access(iocs: dict[str, BaseIoc], ca_environment: dict[str, str], ports: list[int]) -> Iterator[None]:
    """A context of libca that looks for exactly these IOCs, whatever other tests of this process make of the environment.

    PyDM uses the context that pyepics calls the initial one. libca reads the environment when the first channel is made.
    """
    from sipmdcs.channels_ca_repeater import ensure_repeater

    with pytest.MonkeyPatch.context() as patch:
        with pytest.MonkeyPatch.context() as setting:
            for name, value in ca_environment.items():
                setting.setenv(name, value)
            ensure_repeater()
            import epics

            epics.ca.initialize_libca()
            other = epics.ca.current_context()
            epics.ca.detach_context()
            epics.ca.create_context()
            patch.setattr(epics.ca, "initial_context", epics.ca.current_context())
            epics.ca.create_channel(f"{PREFIX}:NORTH:HV01:STATE", connect=True)
            from opi.writes import shared_channels

            shared_channels().get([f"{PREFIX}:NORTH:HV01:STATE"], timeout=60)
        patch.setenv("PYDM_ARCHIVER_URL", f"http://127.0.0.1:{ports[3]}")
        yield
        epics.ca.detach_context()
        epics.ca.attach_context(other)


@pytest.fixture(scope="session")
def qapp_cls(channel_access: None) -> type:
    from opi.application import OperatorApplication

    return OperatorApplication


@pytest.fixture(scope="session")
def player(site: Site, channel_access: None, ca_environment: dict[str, str]) -> Iterator[Driver]:
    driver = Driver(site, ca_environment)
    driver.start()
    yield driver
    driver.stop()


@pytest.fixture
def driver(player: Driver) -> Driver:
    """Everything on and quiet, polled five times a second."""
    player.reset()
    return player
