"""A tiny site whose processes come from a plug-in beside these tests, run by the real command line and supervisord."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sipmdcs.supervise.processes import Found, marked_processes

PLUGIN = Path(__file__).parent / "plugin"

SITE = """\
name: Tiny
prefix: TINY
channel_access: {{server_port: {ca}, repeater_port: {repeater}}}
archiver: {{port: {archiver}}}
services: {services}
controllers:
  PS1: {{driver: c11204, id: "1", subsystem: LAB, port: {port}}}
iocs:
  bench: {{controllers: [PS1]}}
"""


@dataclass
class TinySite:
    """A site folder and its command line."""

    folder: Path
    ca_port: int

    @property
    def environment(self) -> dict[str, str]:
        return os.environ | {"PYTHONPATH": str(PLUGIN), "SIPMDCS_SITE": str(self.folder)}

    def start(self, *arguments: str, files: str = "") -> subprocess.Popen[str]:
        """One command, running; ``files`` are its soft and hard limits of open files, such as ``512:8192``."""
        limit = ["prlimit", f"--nofile={files}"] if files else []
        command = [*limit, sys.executable, "-P", "-m", "sipmdcs", *arguments]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=self.environment)

    def run(self, *arguments: str, expect: int = 0, files: str = "") -> str:
        """One command to its end; what it said."""
        process = self.start(*arguments, files=files)
        out, err = process.communicate(timeout=120)
        assert process.returncode == expect, f"sipmdcs {' '.join(arguments)}: {process.returncode}\n{out}\n{err}"
        return out + err

    def order(self, name: str, text: str = "") -> Path:
        """Tell a process how to misbehave."""
        path = self.folder / "var" / "orders" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
        return path

    def status(self) -> dict[str, Any]:
        process = self.start("status", "--json")
        out, err = process.communicate(timeout=120)
        assert not err
        return json.loads(out)

    def service(self, name: str) -> dict[str, Any]:
        return next(service for service in self.status()["services"] if service["name"] == name)

    def starts(self, name: str) -> list[float]:
        """When each process of that name came to life."""
        lines = (self.folder / "var" / "starts.txt").read_text("utf-8").splitlines()
        return [float(line.split()[2]) for line in lines if line.split()[0] == name]

    def processes(self) -> list[Found]:
        return marked_processes(self.folder)


def wait_for(condition: Callable[[], bool], what: str, timeout: float = 60) -> None:
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(f"{what}: not within {timeout} s")
        time.sleep(0.5)  # conditions start a process each time
