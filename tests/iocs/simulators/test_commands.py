"""``sipmdcs sim`` as a user runs it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

PROGRAM = Path(sys.executable).with_name("sipmdcs")
SITE = """
name: Two kinds
prefix: DET
controllers:
  HV01: {driver: padme-nim, id: "01", subsystem: VETO, port: sim}
  LED: {driver: c11204, id: LED, subsystem: MON, port: sim}
  REAL: {driver: c11204, id: R, subsystem: MON, port: "serial:///dev/ttyUSB9"}
iocs:
  all: {controllers: [HV01, LED, REAL]}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("site")
    (path / "site.yaml").write_text(SITE)
    return path


def sipmdcs(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [str(PROGRAM), "--site", str(folder), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=50, check=False)


@pytest.fixture(scope="module")
def running(folder: Path) -> Iterator[subprocess.Popen[str]]:
    command = [str(PROGRAM), "--site", str(folder), "sim", "run"]
    with (folder / "said").open("w") as said:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=said, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "2 controllers listen\n"
    yield process
    process.kill()
    process.communicate()


def test_endpoints_are_written(folder: Path, running: subprocess.Popen[str]) -> None:
    padme = json.loads((folder / "var/sim/HV01.json").read_text())
    assert sorted(padme) == ["http", "telnet"]
    host, port = padme["telnet"].split(":")
    with socket.create_connection((host, int(port)), 5) as wire, wire.makefile("rb") as stream:
        assert stream.read(16).endswith(b"Username: ")
    tty = json.loads((folder / "var/sim/LED.json").read_text())["tty"]
    assert Path(tty).is_char_device()
    assert not (folder / "var/sim/REAL.json").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("HV01", "5", "extra-current", "10"), "HV01 channel 5: extra-current 10\n"),
        (("LED", "garbage", "0"), "LED: garbage off\n"),
        (("LED", "1", "temperature", "-5.5"), "LED channel 1: temperature -5.5\n"),
    ],
)
def test_faults(folder: Path, running: subprocess.Popen[str], arguments: tuple[str, ...], said: str) -> None:
    done = sipmdcs(folder, "sim", "fault", "--", *arguments)
    assert (done.stdout, done.stderr, done.returncode) == (said, "", 0)


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (("HV99", "garbage", "3"), 1, "HV99 is not simulated here, HV01, LED are"),
        (("HV01", "five", "extra-current", "1"), 2, "expected [CHANNEL] KNOB VALUE"),
    ],
)
def test_wrong_use(folder: Path, running: subprocess.Popen[str], arguments: tuple[str, ...], status: int, message: str) -> None:
    done = sipmdcs(folder, "sim", "fault", *arguments)
    assert done.returncode == status
    assert message in done.stderr


def test_control_port_survives_nonsense(folder: Path, running: subprocess.Popen[str]) -> None:
    host, port = json.loads((folder / "var/sim/control.json").read_text())["control"].split(":")
    with socket.create_connection((host, int(port)), 5) as wire, wire.makefile("rwb") as stream:
        for line in (
            b"nonsense\n",
            b"[]\n",
            b'{"controller": "HV01"}\n',
            b'{"controller": [], "knob": 1, "value": 2}\n',
            b"[" * 60_000 + b"\n",
            b"\xff\n",
        ):
            stream.write(line)
            stream.flush()
            assert json.loads(stream.readline())["ok"] is False
        with contextlib.suppress(ConnectionError):
            stream.write(b" " * 200_000)
            stream.flush()
            assert stream.readline() == b""


def test_a_second_one_is_refused_and_harms_nothing(folder: Path, running: subprocess.Popen[str]) -> None:
    before = {path.name: path.read_text() for path in (folder / "var/sim").glob("*.json")}
    done = sipmdcs(folder, "sim", "run")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"Error: the simulator of this site runs already, as process {running.pid}\n"
    assert {path.name: path.read_text() for path in (folder / "var/sim").glob("*.json")} == before


def test_sigterm_ends_it_cleanly_though_clients_come(folder: Path, running: subprocess.Popen[str]) -> None:
    places = json.loads((folder / "var/sim/HV01.json").read_text()) | json.loads((folder / "var/sim/control.json").read_text())
    ended = threading.Event()

    def come(place: str) -> None:
        host, port = place.split(":")
        while not ended.is_set():
            with contextlib.suppress(OSError), socket.create_connection((host, int(port)), 1) as wire:
                wire.sendall(b"GET / HTTP/1.0\r\n")

    clients = [threading.Thread(target=come, args=(places[key],)) for key in ("http", "telnet", "control") for _ in range(2)]
    for client in clients:
        client.start()
    os.kill(running.pid, signal.SIGTERM)
    status = running.wait(50)
    ended.set()
    for client in clients:
        client.join()
    assert (status, (folder / "said").read_text()) == (0, "")
    assert [path.name for path in (folder / "var/sim").iterdir()] == ["control.lock"]
    done = sipmdcs(folder, "sim", "fault", "LED", "garbage", "1")
    assert done.returncode == 1
    assert "no simulator runs for this site" in done.stderr
