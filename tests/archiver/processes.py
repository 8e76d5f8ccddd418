"""The real things: an EPICS Base IOC and the archiver, each in a process of its own."""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx

_SERVE = """
import sys
from epicscorelibs import ioc
ioc.start_ioc(dbs=[(sys.argv[1], "")])
print("running", flush=True)
sys.stdin.read()
"""


def ca_environment(port: int, repeater_port: int) -> dict[str, str]:
    """Environment of client and server on one port of the loopback interface."""
    return os.environ | {
        "EPICS_CA_ADDR_LIST": "127.0.0.1",
        "EPICS_CA_AUTO_ADDR_LIST": "NO",
        "EPICS_CA_SERVER_PORT": str(port),
        "EPICS_CA_REPEATER_PORT": str(repeater_port),
        "EPICS_CAS_INTF_ADDR_LIST": "127.0.0.1",
        "EPICS_CAS_SERVER_PORT": str(port),
        "EPICS_CAS_BEACON_ADDR_LIST": "127.0.0.1",
        "EPICS_CAS_AUTO_BEACON_ADDR_LIST": "NO",
    }


def wait_until(condition: Callable[[], bool], what: str, timeout: float = 30) -> None:
    """Poll until a condition holds."""
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, f"not within {timeout} s: {what}"
        time.sleep(0.05)


@contextlib.contextmanager
def base_ioc(folder: Path, database: str, environment: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    """EPICS Base with these records, until the block ends."""
    file = folder / "records.db"
    file.write_text(database)
    process = subprocess.Popen(
        [sys.executable, "-c", _SERVE, str(file)],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert "running\n" in process.stdout  # reads up to there
        yield process
    finally:
        process.kill()
        process.communicate()


class ArchiverProcess:
    """``sipmdcs archiver`` on a list of PVs."""

    def __init__(self, folder: Path, names: Sequence[str], port: int, environment: dict[str, str]) -> None:
        self._folder = folder
        self._environment = environment
        self._port = port
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60)
        (folder / "pvs.txt").write_text("\n".join(["# a list", "", *names]))
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def _command(self) -> list[str]:
        arguments = ["--pvs", self._folder / "pvs.txt", "--folder", self._folder / "archive", "--port", self._port]
        return [sys.executable, "-P", "-m", "sipmdcs", "archiver", *map(str, arguments)]

    def start(self) -> None:
        with (self._folder / "archiver.log").open("ab") as log:
            self._process = subprocess.Popen(self._command, env=self._environment, stderr=log)
        wait_until(self.answers, "the archiver answers")

    def fail(self) -> tuple[int, str]:
        """Start it where it cannot; its exit status and what it said last."""
        run = subprocess.run(self._command, env=self._environment, capture_output=True, text=True, timeout=30, check=False)
        return run.returncode, run.stderr.splitlines(keepends=True)[-1]

    def answers(self) -> bool:
        try:
            return self.client.get("/retrieval/ping").status_code == 200
        except httpx.TransportError:
            return False

    def kill(self) -> None:
        """As ``kill -9``."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def terminate(self) -> int:
        """As ``kill``; its exit status."""
        assert self._process is not None
        self._process.terminate()
        return self._process.wait(20)

    def history(self, pv: str, begin: float, end: float) -> list[dict[str, Any]]:
        reply = self.client.get("/retrieval/data/getData.json", params={"pv": pv, "from": iso(begin), "to": iso(end)})
        return reply.json()[0]["data"] if reply.status_code == 200 else []

    def close(self) -> None:
        self.client.close()
        if self._process is not None and self._process.poll() is None:
            self.kill()


def iso(when: float) -> str:
    seconds, micros = divmod(round(when * 1e6), 1_000_000)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{micros:06d}Z"
