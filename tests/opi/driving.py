"""Plays the controllers behind the test IOCs: writes what a poll loop would post, from a process of its own.

Usage: ``python driving.py`` with the Channel Access environment set. JSON on standard input, one a line: ``put`` PV values to
write, ``beat`` PVs to count up from now on, ``hush`` those to stop.
"""

import json
import os
import select
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from sipmdcs.controllers import controller_type
from sipmdcs.site import Site

PERIOD_S = 0.2
CONNECT_S = 60.0
"""libca looks for an IOC that restarted in steps that grow to several seconds."""


class Driver:
    """The playing process as a test sees it."""

    def __init__(self, site: Site, ca_environment: dict[str, str]) -> None:
        self._site = site
        self._environment = os.environ | ca_environment
        self._errors = site.folder / "driver-errors.txt"
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        with self._errors.open("w") as errors:
            self._process = subprocess.Popen(
                [sys.executable, str(Path(__file__))],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                stderr=errors,
                env=self._environment,
            )

    def reset(self) -> None:
        """Everything on and quiet, all hearts beating."""
        self.send({"beat": self._heartbeats(), "put": self._quiet()})

    def put(self, values: dict[str, Any]) -> None:
        """Write these PVs once."""
        self.send({"put": values})

    def silence(self, *controllers: str) -> None:
        """Stop the heartbeats of these controllers, as a hanging poll loop would."""
        self.send({"hush": [f"{self._site.controller_prefix(name)}:HEARTBEAT" for name in controllers]})

    def send(self, message: dict[str, Any]) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(message) + "\n")
        self._process.stdin.flush()
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "done\n", self._errors.read_text()

    def stop(self) -> None:
        if self._process is not None:
            self._process.communicate(timeout=10)
            self._process = None

    def _heartbeats(self) -> list[str]:
        names = [f"{self._site.controller_prefix(name)}:HEARTBEAT" for name in self._site.file.controllers]
        return names + [f"{self._site.service_prefix(name)}:HEARTBEAT" for name in self._site.service_names]

    def _quiet(self) -> dict[str, Any]:
        """All channels on at 54 V and more, nothing in alarm."""
        out: dict[str, Any] = {}
        for name, entry in self._site.file.controllers.items():
            prefix = self._site.controller_prefix(name)
            count = controller_type(entry.driver).channels
            volts = [54 + 0.25 * index for index in range(count)]
            waveforms = {
                "BIAS_RBV": volts,
                "VMON_RBV": volts,
                "CURRENT_RBV": [0.1] * count,
                "TEMP_RBV": [24.5] * count,
                "OVERVOLTAGE_RBV": [5.0] * count,
                "STATE": [4] * count,
                "SEVERITY": [0] * count,
            }
            out |= {f"{prefix}:CONNECTED": 1, f"{prefix}:STATE": 4, f"{prefix}:N_ON": count, f"{prefix}:N_TRIPPED": 0}
            out[f"{prefix}:POLL_PERIOD"] = PERIOD_S
            out |= {f"{prefix}:{suffix}_WF": values for suffix, values in waveforms.items()}
            for index in range(count):
                channel = f"{prefix}:CH{index + 1:02d}"
                out |= {f"{channel}:MASK": 0, f"{channel}:STATE": 4, f"{channel}:ENABLE": 1, f"{channel}:ENABLE_RBV": 1}
                out |= {
                    f"{channel}:BIAS": volts[index],
                    f"{channel}:BIAS_RBV": volts[index],
                    f"{channel}:VMON_RBV": volts[index],
                }
                out |= {f"{channel}:CURRENT_RBV": 0.1, f"{channel}:TEMP_RBV": 24.5, f"{channel}:OVERVOLTAGE_RBV": 5.0}
                out |= {f"{channel}:VDEV_RBV": 0.0, f"{channel}:TRIP": 0, f"{channel}:TRIP_CAUSE": 0}
        alarm = f"{self._site.file.prefix}:ALARM"
        out |= {f"{alarm}:STATE": 0, f"{alarm}:N_ALARMS": 0, f"{alarm}:N_UNACKED": 0}
        return out | {f"{alarm}:LATEST": [0, 0], f"{alarm}:LATEST_LEVELS": [0, 0]}


def main() -> None:
    import epics

    pvs: dict[str, epics.PV] = {}
    beating: dict[str, int] = {}

    def put(values: dict[str, Any]) -> None:
        for name in values:
            if name not in pvs:
                pvs[name] = epics.PV(name, auto_monitor=False)
        deadline = time.monotonic() + CONNECT_S
        for name, value in values.items():
            while not write(pvs[name], value, max(deadline - time.monotonic(), 0.001)):
                if time.monotonic() > deadline:
                    raise TimeoutError(name)
        epics.ca.flush_io()

    def write(pv: epics.PV, value: Any, patience_s: float) -> bool:
        """False if it is not connected, or was lost between the look and the write: libca tells of a loss a moment later."""
        if not pv.wait_for_connection(patience_s):
            return False
        try:
            pv.put(value[0] if isinstance(value, list) and pv.nelm == 1 else value)
        except (epics.ca.CASeverityException, epics.ca.ChannelAccessException):
            return False
        return True

    def beat() -> None:
        for name, count in beating.items():
            beating[name] = count + 1
            if name not in pvs:
                pvs[name] = epics.PV(name, auto_monitor=False)
            if pvs[name].connected:
                write(pvs[name], count + 1, 0.001)
        epics.ca.flush_io()

    source = os.fdopen(sys.stdin.fileno(), "rb", buffering=0)
    pending = b""
    next_beat = 0.0
    while True:
        lines: list[bytes] = []
        if select.select([source], [], [], 0.05)[0]:
            if not (data := source.read(65_536)):
                return
            *lines, pending = (pending + data).split(b"\n")
        for message in map(json.loads, lines):
            beating.update({name: beating.get(name, 0) for name in message.get("beat", ())})
            for name in message.get("hush", ()):
                del beating[name]
            put(message.get("put", {}))
            sys.stdout.write("done\n")
            sys.stdout.flush()
        if time.monotonic() > next_beat:
            next_beat = time.monotonic() + PERIOD_S
            beat()


if __name__ == "__main__":
    main()
