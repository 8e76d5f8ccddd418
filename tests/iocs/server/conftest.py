"""Servers and clients in processes of their own, each on a port that nobody else uses."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from iocs.access import READ, WRITE, AccessSecurity, Rule
from iocs.publisher import RecordServer
from sipmdcs.epicsdb import load_template
from tests.iocs.server.raw import Host

HERE = Path(__file__).parent
PROJECT = HERE.parents[2]
TEMPLATES = PROJECT / "db_templates"
RECORDS = HERE / "records.db"
LOOPBACK = "127.0.0.1"


def environment(port: int, address: str = LOOPBACK) -> dict[str, str]:
    """Environment of a server on ``port``, or of a client that searches ``address``."""
    return {key: value for key, value in os.environ.items() if not key.startswith("EPICS_")} | {
        "EPICS_CA_SERVER_PORT": str(port),
        "EPICS_CAS_INTF_ADDR_LIST": LOOPBACK,
        "EPICS_CA_ADDR_LIST": address,
        "EPICS_CA_AUTO_ADDR_LIST": "NO",
        "EPICS_CA_REPEATER_PORT": str(port + 1 if port < 65535 else port - 1),
        "PYTHONPATH": str(PROJECT),
    }


class Client:
    """A libca client in its own process."""

    def __init__(self, port: int, address: str = LOOPBACK, **extra: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, HERE / "ca_client.py"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=environment(port, address) | extra,
        )

    def ask(self, do: str, **arguments: Any) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"do": do} | arguments) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def get(self, *pvs: str, form: int = 4, base: int | None = None) -> list[dict[str, Any] | None]:
        return self.ask("get", pvs=list(pvs), form=form, base=base)

    def value(self, pv: str) -> Any:
        found = self.get(pv, form=2)[0]
        values = None if found is None else found.get("values")
        return values[0] if values and found and found["count"] == 1 else values

    def put(self, pv: str, value: Any, base: int | None = None, *, wait: bool = True) -> int | None:
        if base is None:
            base = 0 if isinstance(value, str) else 6
        return self.ask("put", pv=pv, base=base, value=value, wait=wait)

    def close(self) -> None:
        with self._process:
            self._process.kill()


class Ioc:
    """A server in its own process, running when made."""

    def __init__(self, script: str, arguments: Sequence[str | Path], port: int, ready: str) -> None:
        self.port = port
        self.process = subprocess.Popen(
            [sys.executable, HERE / script, *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=environment(port),
        )
        assert self.process.stdout is not None
        self.log = ""
        for line in self.process.stdout:
            self.log += line
            if ready in line:
                return
        raise AssertionError(f"{script} did not start:\n{self.log}")

    def close(self) -> str:
        """End it; returns all it said."""
        output, _ = self.process.communicate(timeout=20)
        return self.log + output


@pytest.fixture(scope="module")
def opened() -> Iterator[list[Client | Ioc]]:
    """Processes to end with the module."""
    started: list[Client | Ioc] = []
    yield started
    for process in reversed(started):
        process.close()


@pytest.fixture(scope="module")
def base(opened: list[Client | Ioc], free_ports: Callable[[int], list[int]]) -> Callable[[Path], Client]:
    """Starts EPICS Base on a database file; returns a client of it."""

    def start(database: Path) -> Client:
        port = free_ports(1)[0]
        opened.append(Ioc("base_ioc.py", [database, TEMPLATES], port, "ready"))
        opened.append(client := Client(port))
        return client

    return start


@pytest.fixture(scope="module")
def ours(opened: list[Client | Ioc], free_ports: Callable[[int], list[int]]) -> Callable[[Path], Client]:
    """Starts our server on a database file; returns a client of it."""

    def start(database: Path) -> Client:
        port = free_ports(1)[0]
        opened.append(Ioc("our_ioc.py", [database], port, "serving"))
        opened.append(client := Client(port))
        return client

    return start


@pytest.fixture(scope="module")
def pair(base: Callable[[Path], Client], ours: Callable[[Path], Client]) -> tuple[Client, Client]:
    """Clients of EPICS Base and of our server with the records of ``records.db``."""
    return base(RECORDS), ours(RECORDS)


DATABASE = """
record(ai, "VALUE") {}
record(waveform, "BIG") { field(NELM, "100000") field(FTVL, "DOUBLE") }
record(stringin, "TEXT") {}
record(ao, "OUT") { field(DTYP, "asynFloat64") field(OUT, "@asyn(P,0)X") }
record(ao, "LOGGED") { field(ASG, "LOGGED") }
record(waveform, "ARRAY") { field(ASG, "LOGGED") field(NELM, "8") field(FTVL, "DOUBLE") }
record(ai, "SECRET") { field(ASG, "NOBODY") }
"""
SECURITY = AccessSecurity(
    {"DEFAULT": (Rule(1, READ | WRITE),), "NOBODY": (Rule(1, 0),), "LOGGED": (Rule(1, READ | WRITE, trap_writes=True),)}
)


@pytest_asyncio.fixture
async def host(tmp_path: Path, free_port: int, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Host]:
    monkeypatch.setenv("EPICS_CA_SERVER_PORT", str(free_port))
    monkeypatch.setenv("EPICS_CAS_INTF_ADDR_LIST", "127.0.0.1")
    file = tmp_path / "test.db"
    file.write_text(DATABASE)
    server = RecordServer(load_template(file, {}), SECURITY)
    task = asyncio.ensure_future(server.run())
    for _ in range(100):
        await asyncio.sleep(0.01)
        if server._server.port:
            break
    host = Host(server, free_port)
    yield host
    await host.close()
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
