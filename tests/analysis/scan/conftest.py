"""A real installation for scans: simulators, an IOC, the scanner, and a client."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analysis.chain.inbox import inbox
from analysis.chain.rawfile import RawResult, unpack
from analysis.scan.chartext import from_chars
from analysis.scan.client import ScannerClient
from analysis.scan.request import ScanRequest
from iocs.simulators.control import turn_knob
from sipmdcs.channels import Channels, PvValue, open_channels

PROGRAM = str(Path(sys.executable).with_name("sipmdcs"))
SITE = """
name: Scans
prefix: DET
channel_access: {{server_port: {0}, repeater_port: {1}}}
logbook: {{port: {2}}}
services: [scanner]
controllers:
  HV01: {{driver: padme-nim, id: "01", subsystem: VETO, port: sim, poll_s: 0.1}}
  LED: {{driver: c11204, id: LED, subsystem: MON, port: sim, poll_s: 0.1}}
iocs:
  all: {{controllers: [HV01, LED]}}
"""
HV = "DET:VETO:HV01"
LED = "DET:MON:LED:CH01"
CHANNELS = [f"{HV}:CH{number:02d}" for number in range(1, 17)]
VBR_V = {channel: 51.6 + 0.08 * number for number, channel in enumerate(CHANNELS)}
"""Of the simulated SiPMs, at 25 °C."""
WORKING_V = {channel: round(vbr_V + 4.0, 3) for channel, vbr_V in VBR_V.items()}

_KEYS = {
    "--max-current": "max_current_uA",
    "--step": "step_V",
    "--samples": "samples",
    "--settle": "settle_s",
    "--poll": "poll_s",
}
STATES = ("IDLE", "PREPARING", "RUNNING", "PAUSED", "ABORTING", "RESTORING", "FAILED")


def substitutions() -> str:
    """What ``config render`` writes, for two controllers."""
    own = {"SUB": "X", "BIAS_MIN": "0", "BIAS_MAX": "80", "POLL": "0.1", "RAMP": "200"}
    hv = own | {"P": HV, "PORT": "HV01", "NAME": "HV01", "NCH": "16"}
    led = own | {
        "P": "DET:MON:LED",
        "PORT": "LED",
        "NAME": "LED",
        "NCH": "1",
        "BIAS_MIN": "40",
        "BIAS_MAX": "90",
        "I_LIMIT": "2500",
    }
    rows = [("controller", hv), ("padme_nim", hv), ("controller", led), ("c11204", led)]
    for number, channel in enumerate(CHANNELS, 1):
        macros = hv | {"R": channel[-4:], "ADDR": str(number), "VBR_NOMINAL": f"{VBR_V[channel]:.3f}"}
        rows += [("sipm_channel", macros), ("padme_nim_channel", macros)]
    rows.append(("sipm_channel", led | {"R": "CH01", "ADDR": "1"}))
    return "\n".join(f"file {template}.template {{ {{ {_assignments(macros)} }} }}" for template, macros in rows)


def _assignments(macros: dict[str, str]) -> str:
    return ", ".join(f'{key}="{value}"' for key, value in macros.items())


THREE = CHANNELS[:3]
SLOW = ("--step", "0.2", "--samples", "3", "--settle", "0")
"""Options of a scan long enough for something to come in between."""


class Plant:
    """The installation; every process may be killed and started again."""

    def __init__(self, folder: Path, ports: list[int]) -> None:
        self.folder = folder
        (folder / "var" / "rendered").mkdir(parents=True)
        (folder / "site.yaml").write_text(SITE.format(*ports))
        (folder / "var" / "rendered" / "all.substitutions").write_text(substitutions())
        self.logbook_port = ports[2]
        # The slew of a module is 10 V/s until somebody says otherwise.
        epics = {
            "EPICS_CA_ADDR_LIST": "127.255.255.255",
            "EPICS_CA_AUTO_ADDR_LIST": "NO",
            "EPICS_CA_SERVER_PORT": str(ports[0]),
            "EPICS_CA_REPEATER_PORT": str(ports[1]),
        }
        self.environment = {key: value for key, value in os.environ.items() if not key.startswith("EPICS_")} | epics
        self.environment["SIPMDCS_SITE"] = str(folder)
        os.environ.update(epics)
        self.channels: Channels = open_channels()
        self.processes: dict[str, subprocess.Popen[str]] = {}

    # -- processes ------------------------------------------------------------------------------------------------------

    def start_all(self) -> None:
        self.start_simulators()
        self.start("ioc", "all")
        self.start("scanner")

    def start_simulators(self) -> None:
        process = self._popen("simulators", "sim", "run", stdout=subprocess.PIPE)
        assert process.stdout is not None
        process.stdout.readline()

    def start(self, *arguments: str) -> None:
        """An IOC or service, until it says that it is ready."""
        name = arguments[-1]
        with (self.folder / f"{name}.log").open("a") as log:
            process = self._popen(name, "--log-level", "info", *arguments, stdout=log, stderr=log)
        ready = self.folder / "var" / "run" / f"{name}.ready"

        def is_ready() -> bool:
            assert process.poll() is None, (self.folder / f"{name}.log").read_text()
            return ready.is_file() and json.loads(ready.read_text() or "{}").get("pid") == process.pid

        # Sooner seen than by waiting for a put to fail.
        wait_until(is_ready, f"{name} is ready", 40)

    def _popen(self, name: str, *arguments: str, **streams: Any) -> subprocess.Popen[str]:
        self.processes[name] = subprocess.Popen([PROGRAM, *arguments], text=True, env=self.environment, **streams)
        return self.processes[name]

    def kill(self, name: str, number: signal.Signals = signal.SIGKILL) -> None:
        process = self.processes.pop(name)
        process.send_signal(number)
        process.communicate(timeout=30)

    def close(self) -> None:
        self.channels.close()
        for name in list(self.processes):
            self.kill(name)

    # -- Channel Access -------------------------------------------------------------------------------------------------

    def get(self, name: str) -> Any:
        answer = self.channels.get([name], timeout=10)[name]
        assert isinstance(answer, PvValue), answer
        return answer.value

    def put(self, values: dict[str, Any]) -> None:
        assert set(self.channels.put(values, timeout=20).values()) == {None}

    def text(self, suffix: str) -> str:
        return from_chars(self.get(f"DET:SCAN:{suffix}"))

    def state(self) -> str:
        return STATES[int(self.get("DET:SCAN:STATE"))]

    def wait_state(self, *states: str, timeout: float = 60) -> None:
        wait_until(lambda: self.state() in states, f"scanner is {' or '.join(states)}", timeout, lambda: self.text("MESSAGE"))

    def wait_points(self, count: int) -> None:
        wait_until(lambda: self.get("DET:SCAN:POINT") >= count, f"{count} points", 40)

    # -- command line ---------------------------------------------------------------------------------------------------

    def run(self, *arguments: str, check: bool = True, timeout: float = 90) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [PROGRAM, *arguments], capture_output=True, text=True, timeout=timeout, env=self.environment, check=False
        )
        if check:
            assert done.returncode == 0, f"{arguments}: {done.stdout}\n{done.stderr}"
        return done

    def scan(self, *arguments: str) -> str:
        """Start a scan as the command does, and do not wait; its uid."""
        names = [word for word in arguments if word.startswith("DET:")]
        options = dict(zip(arguments[len(names) :: 2], arguments[len(names) + 1 :: 2], strict=True))
        asked = {_KEYS[option]: float(value) for option, value in options.items()}
        request = ScanRequest.model_validate({"who": "tester", "channels": names, **asked})
        return ScannerClient(self.channels, "DET").request(request)["uid"]

    def command(self, name: str) -> None:
        """As ``sipmdcs scan NAME``."""
        ScannerClient(self.channels, "DET").command(name.upper())

    def fault(self, controller: str, *rest: str) -> None:
        *channel, knob, value = rest
        endpoint = json.loads((self.folder / "var" / "sim" / "control.json").read_text())["control"]
        turn_knob(endpoint, controller, int(channel[0]) if channel else None, knob, value)

    # -- the detector ---------------------------------------------------------------------------------------------------

    def operating_point(self, channels: list[str]) -> dict[str, float]:
        items = ("BIAS", "BIAS_RBV", "ENABLE", "STATE", "CURRENT_LIMIT", "RAMP_UP", "RAMP_DOWN")
        names = [f"{channel}:{item}" for channel in channels for item in items]
        answers = self.channels.get([*names, f"{HV}:POLL_PERIOD"])
        return {name: float(np.asarray(answer.value)) for name, answer in answers.items() if isinstance(answer, PvValue)}

    def working(self, channels: list[str]) -> None:
        """Bring channels to their working voltage, whatever happened to them."""
        self.put({f"{HV}:SLEW_RATE": 250})
        names = {channel: int(self.get(f"{channel}:STATE")) for channel in channels}
        if tripped := [channel for channel, state in names.items() if state == 6]:
            self.put({f"{channel}:TRIP_RESET": 1 for channel in tripped})
        self.put({f"{channel}:BIAS": WORKING_V[channel] for channel in channels})
        self.put({f"{channel}:ENABLE": 1 for channel in channels})
        for channel in channels:
            wait_until(lambda: self.get(f"{channel}:STATE") == 4, f"{channel} is on", 60)  # noqa: B023 - called before the next
            wait_until(lambda: abs(self.get(f"{channel}:BIAS_RBV") - WORKING_V[channel]) < 1e-3, "BIAS_RBV", 60)  # noqa: B023


def wait_until(condition: Callable[[], bool], what: str, timeout: float = 60, tell: Callable[[], str] = str) -> None:
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, f"{what}: not within {timeout} s; {tell()}"
        time.sleep(0.05)


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory, free_ports: Callable[[int], list[int]]) -> Iterator[Plant]:
    before = dict(os.environ)
    running = Plant(tmp_path_factory.mktemp("site"), free_ports(3))
    try:
        running.start_all()
        yield running
    finally:
        running.close()
        os.environ.clear()
        os.environ.update(before)


@pytest.fixture
def plant(installation: Plant) -> Plant:
    """The installation with three channels on at their working voltages, and nothing going on."""
    if installation.get("DET:SCAN:NOT_RESTORED"):
        installation.command("acknowledge")
        installation.wait_state("IDLE")
    installation.wait_state("IDLE", "FAILED")
    installation.working(THREE)
    return installation


def delivered(plant: Plant, uid: str) -> dict[str, RawResult]:
    found = [unpack(path.read_bytes()) for path in inbox(plant.folder / "var" / "raw").glob(f"iv-{uid}-*")]
    return {result.channel: result for result in found}


def documents(plant: Plant, uid: str) -> list[tuple[str, dict[str, Any]]]:
    lines = (plant.folder / "var" / "scan" / f"{uid}.jsonl").read_text().splitlines()
    return [(name, document) for name, document in map(json.loads, lines)]


def operating_point_file(plant: Plant) -> Path:
    return plant.folder / "var" / "scan" / "operating-point.json"
