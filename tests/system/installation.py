"""A running site as a test sees it: its command line and its independent clients."""

import json
import os
import resource
import socket
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Self

import psutil
import pytest
from aiosmtpd.handlers import Message


class Mailbox(Message):
    """Every mail that came in, with the time it came."""

    def __init__(self) -> None:
        super().__init__()
        self.mails: list[tuple[float, Any]] = []

    def handle_message(self, message: Any) -> None:
        self.mails.append((time.time(), message))


class EpicsClient:
    """``epics_process.py`` as an object."""

    def __init__(self, environment: dict[str, str]) -> None:
        command = [sys.executable, str(Path(__file__).with_name("epics_process.py"))]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment
        )

    def ask(self, op: str, **arguments: Any) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"op": op, **arguments}) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        try:
            self._process.communicate(timeout=30)
        except subprocess.TimeoutExpired:  # libca says goodbye to IOCs that are gone
            self._process.kill()
            self._process.communicate()


class Installation:
    """A running site: its folder, its command line, its clients."""

    def __init__(self, folder: Path, ports: dict[str, int], mailbox: Mailbox) -> None:
        self.folder = folder
        self.ports = ports
        """``ca``, ``repeater`` and every service that listens, by its name in ``site.yaml``."""
        self.mailbox = mailbox
        self.environment = os.environ | {
            "SIPMDCS_SITE": str(folder),
            "EPICS_CA_ADDR_LIST": "127.255.255.255",
            "EPICS_CA_AUTO_ADDR_LIST": "NO",
            "EPICS_CA_SERVER_PORT": str(self.ports["ca"]),
            "EPICS_CA_REPEATER_PORT": str(self.ports["repeater"]),
        }

    def run(
        self, *arguments: str, check: bool = True, timeout: float = 240, descriptors: int | None = None
    ) -> subprocess.CompletedProcess[str]:
        """One ``sipmdcs`` command; its output is in the assertion when it fails.

        Args:
            arguments: of the command line.
            check: whether it must succeed.
            timeout: seconds.
            descriptors: that it, and each process it starts, may have, hard limit and soft.
        """
        command = [str(Path(sys.executable).with_name("sipmdcs")), *arguments]
        if descriptors is not None:
            command = ["sh", "-c", 'ulimit -n "$0" && exec "$@"', str(descriptors), *command]
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, env=self.environment, check=False)
        if check:
            assert done.returncode == 0, f"sipmdcs {' '.join(arguments)}: {done.stdout}\n{done.stderr}"
        return done

    def status(self) -> dict[str, Any]:
        """Services by name, from ``status --json``."""
        done = self.run("status", "--json", check=False)
        return {service["name"]: service for service in json.loads(done.stdout)["services"]}

    def history(self, pv: str, start: float, end: float) -> list[dict[str, Any]]:
        """Samples of one PV between two Unix times, from the archiver's HTTP interface."""
        query = urllib.parse.urlencode({"pv": pv, "from": _iso(start), "to": _iso(end)})
        return self.http("archiver", f"/retrieval/data/getData.json?{query}")[0]["data"]

    def http(self, service: str, path: str) -> Any:
        """What a service answers to GET, as JSON."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.ports[service]}{path}", timeout=30) as reply:
            return json.load(reply)

    def epics(self) -> EpicsClient:
        return EpicsClient(self.environment)

    @contextmanager
    def crowd(self, pid: int, size: int) -> Iterator[int]:
        """So many connections to each TCP port of a process, which say nothing; gives the number of its ports."""
        found = {one.laddr.port for one in psutil.Process(pid).net_connections("tcp4") if one.status == psutil.CONN_LISTEN}
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 4 * size)), hard))
        try:
            with ExitStack() as silent:
                for port in (port for port in found for _ in range(size)):
                    silent.enter_context(socket.create_connection(("127.0.0.1", port), timeout=60))
                yield len(found)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def _iso(when: float) -> str:
    seconds, micros = divmod(round(when * 1e6), 1_000_000)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{micros:06d}Z"


def wait_until(condition: Callable[[], bool], timeout: float, what: str, period: float = 0.2) -> float:
    """Wait for a condition; returns the seconds it took."""
    start = time.monotonic()
    while not condition():
        if time.monotonic() - start > timeout:
            pytest.fail(f"{what}: not within {timeout} s")
        time.sleep(period)
    return time.monotonic() - start
