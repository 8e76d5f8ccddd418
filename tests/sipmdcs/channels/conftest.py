"""A real EPICS Base IOC per test that wants one, and clients that look for it only."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Self

import pytest

from sipmdcs.channels_ca import CaChannels

OpenClient = Callable[..., CaChannels]

_SERVE = """
import sys
from epicscorelibs import ioc
if len(sys.argv) > 2:
    ioc.dbCore.asSetFilename(sys.argv[2].encode())
ioc.start_ioc(dbs=[(sys.argv[1], "")])
sys.stdout.write("running\\n")
sys.stdout.flush()
sys.stdin.read()
"""


class BaseIoc:
    """EPICS Base in a process of its own, on a port that stays the same when it is restarted."""

    def __init__(self, port: int, folder: Path) -> None:
        self.port = port
        self._folder = folder
        self._process: subprocess.Popen[str] | None = None

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def start(self, database: str, access: str | None = None) -> None:
        file = self._folder / "records.db"
        file.write_text(database)
        files = [str(file)]
        if access is not None:
            acf = self._folder / "access.acf"
            acf.write_text(access)
            files.append(str(acf))
        self._process = subprocess.Popen(
            [sys.executable, "-c", _SERVE, *files],
            env=os.environ
            | {
                "EPICS_CA_ADDR_LIST": self.address,
                "EPICS_CA_AUTO_ADDR_LIST": "NO",
                "EPICS_CAS_INTF_ADDR_LIST": "127.0.0.1",
                "EPICS_CAS_SERVER_PORT": str(self.port),
                "EPICS_CAS_BEACON_ADDR_LIST": "127.0.0.1",
                "EPICS_CAS_AUTO_BEACON_ADDR_LIST": "NO",
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self._process.stdout is not None
        assert "running\n" in self._process.stdout, f"no IOC on port {self.port}"  # reads up to there

    def kill(self) -> None:
        """As by ``kill -9``: no good-bye on the wire."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def pause(self, seconds: float) -> None:
        """Nothing is done, nothing is lost."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        time.sleep(seconds)
        self._process.send_signal(signal.SIGCONT)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()


@pytest.fixture(scope="session", autouse=True)
def _repeater_port(free_ports: Callable[[int], list[int]]) -> None:
    # The repeater lives as long as the process, so this stays.
    os.environ.setdefault("EPICS_CA_REPEATER_PORT", str(free_ports(1)[0]))


@pytest.fixture
def ioc(free_port: int, tmp_path: Path) -> Iterator[BaseIoc]:
    with BaseIoc(free_port, tmp_path) as ioc:
        yield ioc


@pytest.fixture(scope="module")
def module_ioc(free_ports: Callable[[int], list[int]], tmp_path_factory: pytest.TempPathFactory) -> Iterator[BaseIoc]:
    with BaseIoc(free_ports(1)[0], tmp_path_factory.mktemp("ioc")) as ioc:
        yield ioc


@pytest.fixture
def open_client(monkeypatch: pytest.MonkeyPatch) -> Iterator[OpenClient]:
    """Clients for given servers, closed at the end."""
    with ExitStack() as stack:

        def open_client(*addresses: str, native: bool = True) -> CaChannels:
            monkeypatch.setenv("EPICS_CA_ADDR_LIST", " ".join(addresses))
            monkeypatch.setenv("EPICS_CA_AUTO_ADDR_LIST", "NO")
            client = CaChannels(native=native)
            stack.callback(client.close)
            return client

        yield open_client
