"""A site with a plant of a few PVs, a real memcached and the real agent service, each in reach of a test."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import psutil
import pytest
from pymemcache.client.base import Client
from pymemcache.exceptions import MemcacheError

from agents.memcached_service import find_program
from sipmdcs.epicsdb import format_records
from sipmdcs.site import Site
from tests.system.installation import EpicsClient

T = TypeVar("T")

PATIENCE_S = 40.0
"""What comes within a second here may take long on a busy machine."""

SITE = """\
name: Bench
prefix: T
channel_access: {{server_port: {ca}, repeater_port: {repeater}}}
memcached: {{port: {memcached}}}
services: [memcached, agents]
controllers:
  PS1: {{driver: c11204, id: "1", subsystem: BENCH, port: sim}}
iocs:
  bench: {{controllers: [PS1]}}
"""
PLANT = """\
record(ao, "$(P)") {
    field(VAL,  "$(VAL)")
    field(PINI, "YES")
    field(EGU,  "V")
    field(HIHI, "1000")
    field(HHSV, "INVALID")
}
"""


def wait_until(condition: Callable[[], T], what: str, timeout: float = PATIENCE_S, tell: Callable[[], str] = str) -> T:
    """Wait until a condition holds; returns what it returned."""
    end = time.monotonic() + timeout
    while not (found := condition()):
        if time.monotonic() > end:
            pytest.fail(f"{what}: not within {timeout} s; {tell()}")
        time.sleep(0.1)
    return found


class Memcached:
    """A real memcached on one port."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        arguments = ["-l", "127.0.0.1", "-p", str(self.port), "-U", "0", *(["-u", "root"] if os.geteuid() == 0 else [])]
        self._process = subprocess.Popen([find_program(), *arguments])
        wait_until(self._answers, "memcached answers")

    def _answers(self) -> bool:
        client = self._client()
        try:
            client.version()
        except (OSError, MemcacheError):
            return False
        finally:
            client.close()
        return True

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def freeze(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def entry(self, key: str) -> dict[str, Any] | None:
        """An entry, as any client reads it."""
        client = self._client()
        try:
            data = client.get(key)
        finally:
            client.close()
        return None if data is None else json.loads(data)

    def store(self, key: str, entry: dict[str, Any]) -> None:
        client = self._client()
        client.set(key, json.dumps(entry).encode(), noreply=False)
        client.close()

    def _client(self) -> Client:
        return Client(("127.0.0.1", self.port), connect_timeout=5, timeout=5)


def _command(process: psutil.Process) -> list[str]:
    """Of a process; of one that has just ended, nothing."""
    try:
        return process.cmdline()
    except psutil.Error:
        return []


class Bench:
    """The site and its processes."""

    def __init__(self, folder: Path, ports: list[int], plant: dict[str, float]) -> None:
        """Write the site.

        Args:
            folder: an empty one.
            ports: three free ones.
            plant: PVs of the plant below ``T:BENCH:PS1``, and their values.
        """
        self.folder = folder
        ca, repeater, memcached = ports
        (folder / "db_templates").mkdir(parents=True)
        (folder / "var" / "rendered").mkdir(parents=True)
        (folder / "agents").mkdir()
        self.write("site.yaml", SITE.format(ca=ca, repeater=repeater, memcached=memcached))
        self.write("db_templates/plant.template", PLANT)
        self.write("db_templates/ioc.substitutions", "# The IOC of this bench has no service PVs.\n")
        rows = "\n".join(f'{{"T:BENCH:PS1:{name}" "{value}"}}' for name, value in plant.items())
        self.write("var/rendered/bench.substitutions", f'file "plant.template" {{\npattern {{P VAL}}\n{rows}\n}}\n')
        self.site = Site(folder)
        self.environment = os.environ | self.site.ca_environment() | {"SIPMDCS_SITE": str(folder)}
        self.memcached = Memcached(memcached)
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._epics: EpicsClient | None = None

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.write_text(text, "utf-8")
        return path

    def plugin(self, name: str, text: str) -> Path:
        """Write a plugin; a line of imports comes before the text, on the same line as its beginning."""
        return self.write(f"agents/{name}.py", f"from agents import Agent, Cached, Output; {text.lstrip()}")

    def start(self) -> None:
        """Plant, memcached and agents."""
        self.start_plant()
        self.memcached.start()
        self.start_agents()

    def start_plant(self) -> None:
        database = self.write("plant.db", format_records(self.site.ioc_records("bench")))
        self._start("plant", "ioc", "--db", str(database))

    def start_agents(self) -> None:
        self._start("agents", "agents")
        wait_until(self._ready, "the agents are ready")

    def _ready(self) -> bool:
        assert self._processes["agents"].poll() is None, self.log()
        return (self.folder / "var" / "run" / "agents.ready").is_file()

    def log(self) -> str:
        return (self.folder / "agents.log").read_text("utf-8")

    def _start(self, name: str, *arguments: str) -> None:
        with (self.folder / f"{name}.log").open("ab") as log:
            command = [sys.executable, "-m", "sipmdcs", "--log-level", "info", *arguments]
            self._processes[name] = subprocess.Popen(command, stdout=log, stderr=log, env=self.environment)

    def end(self, name: str, how: int = signal.SIGTERM) -> None:
        process = self._processes.pop(name, None)
        if process is not None:
            process.send_signal(how)
            process.wait(timeout=PATIENCE_S)

    def stop(self) -> None:
        if self._epics is not None:
            self._epics.close()
            self._epics = None
        for name in list(self._processes):
            self.end(name)
        self.memcached.stop()

    @property
    def pid(self) -> int:
        """Process number of the agent service."""
        return self._processes["agents"].pid

    def workers(self) -> list[psutil.Process]:
        """Processes of agents."""
        return [one for one in psutil.Process(self.pid).children() if "agents.worker" in _command(one)]

    def run(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """One ``sipmdcs`` command."""
        command = [sys.executable, "-m", "sipmdcs", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, env=self.environment, check=False, timeout=120)
        assert not check or done.returncode == 0, f"{done.stdout}\n{done.stderr}"
        return done

    @property
    def epics(self) -> EpicsClient:
        """An independent client."""
        if self._epics is None:
            self._epics = EpicsClient(self.environment)
        return self._epics

    def read(self, name: str) -> dict[str, Any]:
        """Value, severity, status and time of a PV; names without a prefix are those of agents."""
        full = name if name.startswith("T:") else f"T:AGENT:{name}"
        reading = self._ask("get", names=[full])[full]
        return reading or {"value": None, "severity": None, "status": None, "timestamp": None}

    def value(self, name: str) -> Any:
        return self.read(name)["value"]

    def put(self, name: str, value: Any) -> Any:
        full = name if name.startswith("T:") else f"T:AGENT:{name}"
        return self._ask("put", values={full: value})[full]

    def _ask(self, op: str, **arguments: Any) -> Any:
        try:
            return self.epics.ask(op, timeout=15, **arguments)
        except ValueError:  # libca has ended the client's process, as it may when a server goes away in between
            self.epics.close()
            self._epics = None
            return self.epics.ask(op, timeout=15, **arguments)

    def until(self, name: str, value: Any) -> None:
        wait_until(lambda: self.value(name) == value, f"{name} is {value}", tell=lambda: self._tell(name))

    def _tell(self, name: str) -> str:
        agent = name.partition(":")[0]
        shown = {suffix: self.value(f"{agent}:{suffix}") for suffix in ("STATE", "LAST_ERROR", "VERSION", "RUNS", "RESTARTS")}
        return f"{self.read(name)}, {shown}\n{self.log()[-3000:]}"
