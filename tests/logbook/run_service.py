"""The logbook service as a process, and the command line of its site."""

import json
import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from sipmdcs.service import ready_file
from sipmdcs.site import Site

PROGRAM = str(Path(sys.executable).with_name("sipmdcs"))


def write_site(
    folder: Path,
    free_ports: Callable[[int], list[int]],
    *,
    database: str = "",
    logbook: str = "partitions: [MAIN, LED]\n",
    archiver_port: int | None = None,
) -> Site:
    """The folder of a site with a logbook."""
    server, repeater, archiver, alarms, http, web, memcached = free_ports(7)
    folder.mkdir()
    (folder / "logbook.yaml").write_text(logbook, "utf-8")
    (folder / "site.yaml").write_text(
        textwrap.dedent(f"""\
            name: Test
            prefix: TST
            database: "{database}"
            channel_access: {{server_port: {server}, repeater_port: {repeater}}}
            archiver: {{port: {archiver_port or archiver}}}
            alarms: {{port: {alarms}}}
            logbook: {{port: {http}}}
            web: {{port: {web}}}
            memcached: {{port: {memcached}}}
            services: [logbook]
            controllers:
              PS1: {{driver: c11204, id: "1", subsystem: LAB, port: sim}}
            iocs:
              bench: {{controllers: [PS1]}}
            """),
        "utf-8",
    )
    return Site(folder)


def wait_until(condition: Callable[[], Any], what: str, timeout: float = 30) -> Any:
    end = time.monotonic() + timeout
    while not (found := condition()):
        if time.monotonic() > end:
            pytest.fail(f"{what}: not within {timeout} s")
        time.sleep(0.2)
    return found


def command(site: Site, *arguments: str) -> subprocess.CompletedProcess[str]:
    """One ``sipmdcs`` command on a site."""
    words = [PROGRAM, "--site", str(site.folder), *arguments]
    return subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)


class RunService:
    def __init__(self, site: Site) -> None:
        self.site = site
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{site.file.logbook.port}", timeout=30)
        self.environment = os.environ | site.ca_environment()
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        log = (self.site.folder / "log").open("ab")
        words = [PROGRAM, "--site", str(self.site.folder), "--log-level", "info", "logbook"]
        self._process = subprocess.Popen(words, stdout=log, stderr=log)
        log.close()
        wait_until(lambda: self._process and (self._process.poll() is not None or self._is_ready()), "service is ready")
        assert self._process.poll() is None, self.log()

    def _is_ready(self) -> bool:
        path = ready_file(self.site, "logbook")
        return path.is_file() and self._process is not None and json.loads(path.read_text())["pid"] == self._process.pid

    def log(self) -> str:
        return (self.site.folder / "log").read_text()

    def kill(self) -> None:
        """As a power cut would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
        self.client.close()
        self.client = httpx.Client(base_url=self.client.base_url, timeout=30)

    def terminate(self) -> int:
        assert self._process is not None
        self._process.terminate()
        status = self._process.wait(30)
        self._process = None
        return status

    def post(self, path: str, **body: Any) -> httpx.Response:
        return self.client.post(path, json={"who": "daq"} | body)

    def open(self, key: str, partition: str = "MAIN", kind: str = "physics", **more: Any) -> httpx.Response:
        return self.post("/runs", request_key=key, partition=partition, type=kind, **more)

    def get(self, path: str, **parameters: str) -> Any:
        reply = self.client.get(path, params=parameters)
        assert reply.status_code == 200, reply.text
        return reply.json()
