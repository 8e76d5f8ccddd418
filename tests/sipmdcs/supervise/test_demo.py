"""The demonstration with everything real: simulator, IOC, archiver, alarms, push."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from sipmdcs.supervise.processes import marked_processes
from tests.sipmdcs.supervise.tiny_site import wait_for

pytestmark = pytest.mark.timeout(300)
"""A whole site starts and stops in each test; on busy cores that takes minutes."""

Start = Callable[..., subprocess.Popen[str]]
EXAMPLE = Path(__file__).parents[3] / "examples" / "minimal"


@pytest.fixture
def folder(tmp_path: Path, free_ports: Callable[[int], list[int]]) -> Iterator[Path]:
    """The smallest example on ports of its own."""
    folder = tmp_path / "site"
    shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns("var"))
    ports = free_ports(4)
    site = yaml.safe_load((folder / "site.yaml").read_text("utf-8"))
    site["channel_access"] = {"server_port": ports[0], "repeater_port": ports[1]}
    site["archiver"] = {"port": ports[2]}
    site["alarms"] = {"port": ports[3]}
    (folder / "site.yaml").write_text(yaml.safe_dump(site, sort_keys=False), "utf-8")
    yield folder
    for found in marked_processes(folder):
        found.process.kill()


@pytest.fixture
def start() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts demonstrations; none outlives its test."""
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-P", "-m", "sipmdcs", "demo", *arguments]
        environment = os.environ | {"PYTHONUNBUFFERED": "1"}
        started.append(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment))
        return started[-1]

    yield start
    for demo in started:
        if demo.poll() is None:
            demo.kill()
            demo.communicate()


def test_demo_imports_pushes_switches_on_and_ends_with_ctrl_c(
    folder: Path, start: Callable[..., subprocess.Popen[str]]
) -> None:
    demo = start(str(folder), "--headless")
    assert demo.stdout is not None
    lines: list[str] = []
    for line in demo.stdout:
        lines.append(line)
        if line.startswith("Ctrl-C"):
            break
    said = "".join(lines)
    assert "importing channels.csv\n" in said, said + (demo.stderr.read() if demo.stderr else "")
    assert "all 4 processes are ready" in said
    assert "verified" in said
    assert "controllers: 1, channels: 1" in said
    assert len({found.program for found in marked_processes(folder)} - {"", "keeper"}) == 4
    demo.send_signal(signal.SIGINT)
    out, err = demo.communicate(timeout=120)
    assert demo.returncode == 0, err
    assert out.endswith("the demonstration is over, nothing is running\n")
    assert not err
    assert not marked_processes(folder)


def test_closed_terminal_ends_the_demo_wherever_it_is(folder: Path, start: Start) -> None:
    demo = start(str(folder), "--headless")
    wait_for(
        lambda: any(found.program == "simulators" for found in marked_processes(folder)), "simulators started", timeout=120
    )
    demo.send_signal(signal.SIGHUP)
    out, err = demo.communicate(timeout=120)
    assert demo.returncode == 130, out + err
    assert not marked_processes(folder)


def test_demo_never_touches_real_controllers(folder: Path, start: Start) -> None:
    site = yaml.safe_load((folder / "site.yaml").read_text("utf-8"))
    site["controllers"]["PS1"]["port"] = "serial:///dev/ttyUSB0"
    (folder / "site.yaml").write_text(yaml.safe_dump(site, sort_keys=False), "utf-8")
    demo = start(str(folder), "--headless", "--seconds", "1")
    out, err = demo.communicate(timeout=120)
    assert demo.returncode == 1
    assert not out
    assert "controllers.PS1.port: is serial:///dev/ttyUSB0, and a demonstration runs simulated controllers only" in err
    assert not (folder / "var" / "run").exists()
