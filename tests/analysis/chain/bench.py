"""A site of one channel, and its processes in reach of a test."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError, ProgrammingError

from analysis.chain.inbox import deliver
from analysis.fit.simulate import Curve, Spectrum
from analysis.outcome import Kind
from sipmdcs.database import make_engine
from sipmdcs.site import Site

CHANNEL = "LAB:BENCH:PS1:CH01"
SYSTEM = "LAB:SYS:ANALYSIS"

CHANNEL_DB = """\
record(ao, "$(P):GAIN") { field(EGU, "e") field(VAL, "1") }
record(ao, "$(P):DARK_RATE") { field(EGU, "kHz") field(VAL, "1") }
record(ao, "$(P):CROSSTALK") { field(EGU, "%") field(VAL, "1") }
record(ao, "$(P):VBR") { field(EGU, "V") field(VAL, "50") field(PINI, "YES") }
record(ao, "$(P):VBR_TREF") { field(EGU, "degC") field(VAL, "25") field(PINI, "YES") }
record(ao, "$(P):VBR_TCOEF") { field(EGU, "mV/K") field(VAL, "54") field(PINI, "YES") }
"""

SITE = """\
name: Bench
prefix: LAB
channel_access: {{server_port: {ca}, repeater_port: {repeater}}}
database: "{database}"
analysis: "{analysis}"
services: [analysis]
controllers:
  PS1: {{driver: c11204, id: "1", subsystem: BENCH, port: sim}}
iocs:
  bench: {{controllers: [PS1]}}
"""


READER = """\
import json, sys, epics
for line in sys.stdin:
    print(json.dumps({name: epics.caget(name, timeout=3) for name in json.loads(line)}), flush=True)
"""


def wait_until(condition: Callable[[], Any], what: str, timeout: float = 120) -> Any:
    """Wait until a condition holds; returns what it returned."""
    end = time.monotonic() + timeout
    while not (found := condition()):
        if time.monotonic() > end:
            pytest.fail(f"{what}: not within {timeout} s")
        time.sleep(0.2)  # conditions open a database each time
    return found


@cache
def spectrum(seed: int = 1, events: int = 10_000) -> Any:
    """Charges of ``Spectrum()``: gain 60, crosstalk 1 - exp(-0.15)."""
    return Spectrum().draw(np.random.default_rng(seed), events)


@cache
def curve(seed: int = 1) -> Any:
    """Curve of ``Curve()``: breakdown at 52.5 V."""
    return Curve().draw(np.random.default_rng(seed), np.arange(48.0, 58.0, 0.1))


class Bench:
    """The site and its processes."""

    def __init__(self, folder: Path, ports: list[int]) -> None:
        self.folder = folder
        self._ports = ports
        self._services: list[subprocess.Popen[bytes]] = []
        self._others: list[subprocess.Popen[bytes]] = []
        self._reader: subprocess.Popen[str] | None = None
        folder.mkdir(parents=True)
        self.configure()

    def configure(self, database: str = "", analysis: str = "") -> None:
        """Write ``site.yaml``."""
        ca, repeater = self._ports
        file = SITE.format(ca=ca, repeater=repeater, database=database, analysis=analysis)
        (self.folder / "site.yaml").write_text(file, "utf-8")
        (self.folder / "analysis.yaml").write_text("workers: 1\n", "utf-8")
        self.site = Site(self.folder)
        self.environment = os.environ | self.site.ca_environment()

    @property
    def raw(self) -> Path:
        return self.site.raw_folder

    def deliver(self, key: str, kind: Kind = Kind.SPECTRUM, array: Any = None, run: int | None = 1, **change: Any) -> Path:
        """A raw result of the channel; a good one unless ``array`` is given."""
        if array is None:
            array = curve() if kind is Kind.IV else spectrum()
        conditions = {"temperature_C": 20.0, "electrons_per_adc": 1e4, "window_s": 1e-6}
        known: dict[str, Any] = {"channel": CHANNEL, "conditions": conditions} | change
        return deliver(self.raw, key=key, kind=kind, array=array, run=run, **known)

    # -- processes ------------------------------------------------------------------------------------------------------

    def start_service(self) -> subprocess.Popen[bytes]:
        """Start the service and wait until it says that it is ready."""
        ready = self.folder / "var" / "run" / "analysis.ready"
        ready.unlink(missing_ok=True)
        command = [sys.executable, "-m", "sipmdcs", "--site", str(self.folder), "analysis"]
        process = self._spawn(command, "analysis.log")
        self._services.append(process)

        def is_ready() -> bool:
            assert process.poll() is None, self.log
            return ready.is_file()

        wait_until(is_ready, "the service ready")
        return process

    def start_ioc(self) -> subprocess.Popen[bytes]:
        """Serve the PVs of the channel."""
        database = self.folder / "channel.db"
        database.write_text(CHANNEL_DB, "utf-8")
        command = [sys.executable, "-m", "sipmdcs", "ioc", "--db", str(database), "-m", f"P={CHANNEL}"]
        process = self._spawn(command, "ioc.log")
        self._others.append(process)
        return process

    def start(self, *command: str) -> subprocess.Popen[bytes]:
        """Any other process, ended with the bench."""
        process = self._spawn(list(command), "other.log")
        self._others.append(process)
        return process

    def _spawn(self, command: list[str], log: str) -> subprocess.Popen[bytes]:
        with (self.folder / log).open("ab") as file:
            return subprocess.Popen(command, stdout=file, stderr=file, env=self.environment)

    @property
    def log(self) -> str:
        """What the services said."""
        return (self.folder / "analysis.log").read_text("utf-8")

    def workers(self, service: subprocess.Popen[bytes]) -> list[psutil.Process]:
        """Worker processes of a service."""
        found = []
        with suppress(psutil.NoSuchProcess):
            for child in psutil.Process(service.pid).children(recursive=True):
                with suppress(psutil.NoSuchProcess):  # ended meanwhile
                    if any("spawn_main" in word for word in child.cmdline()):
                        found.append(child)
        return found

    def stop(self) -> None:
        """End everything that was started here, at once; how services end in order is a test of its own."""
        if self._reader is not None:
            self._reader.communicate()
        everything = []
        for process in self._services + self._others:
            with suppress(psutil.NoSuchProcess):
                known = psutil.Process(process.pid)
                everything += [known, *known.children(recursive=True)]
        for process in everything:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        for process in self._services + self._others:
            process.wait()
        psutil.wait_procs(everything, timeout=20)

    # -- what one sees --------------------------------------------------------------------------------------------------

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """One ``sipmdcs`` command."""
        command = [sys.executable, "-m", "sipmdcs", "--site", str(self.folder), *arguments]
        return subprocess.run(command, capture_output=True, text=True, env=self.environment, timeout=60, check=False)

    def sql(self, query: str) -> list[Any]:
        """Rows of a query; none while the tables are not there."""
        engine = make_engine(self.site.database_url)
        try:
            with engine.connect() as connection:
                return [tuple(row) for row in connection.execute(text(query))]
        except (OperationalError, ProgrammingError) as err:
            if "no such table" in str(err) or "does not exist" in str(err):
                return []
            raise
        finally:
            engine.dispose()

    def states(self) -> dict[str, int]:
        """Jobs by state."""
        return dict(self.sql("SELECT state, count(*) FROM analysis_job GROUP BY state"))

    def wait_for(self, timeout: float = 120, **wanted: int) -> None:
        """Wait until there are so many jobs in each state, and none in others."""
        end = time.monotonic() + timeout
        while (found := self.states()) != wanted:
            if time.monotonic() > end:
                pytest.fail(f"jobs are {found}, not {wanted}, after {timeout} s; log:\n{self.log}")
            time.sleep(0.2)

    def pvs(self, *names: str) -> dict[str, Any]:
        """Values by PV, read with pyepics in a process of its own; ``None`` where nobody answers."""
        if self._reader is None:
            command = [sys.executable, "-c", READER]
            self._reader = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=self.environment, bufsize=1
            )
        assert self._reader.stdin is not None
        assert self._reader.stdout is not None
        self._reader.stdin.write(json.dumps(names) + "\n")
        self._reader.stdin.flush()
        return json.loads(self._reader.stdout.readline())

    def wait_for_pvs(self, what: Callable[[dict[str, Any]], bool], *names: str, timeout: float = 120) -> dict[str, Any]:
        """Wait until PVs have the values wanted."""
        end = time.monotonic() + timeout
        while True:
            found = self.pvs(*names)
            if all(value is not None for value in found.values()) and what(found):
                return found
            if time.monotonic() > end:
                pytest.fail(f"{found} after {timeout} s; log:\n{self.log}")
            time.sleep(0.2)
