"""A site with a real EPICS Base IOC, a real alarm service and a real mail server, each in reach of a test."""

import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Message

from sipmdcs.epicsdb import format_records
from sipmdcs.site import Site

BASE_ADDRESS = "127.0.0.2"
"""EPICS Base listens there, our services on 127.0.0.1, so that they share a port."""

OTHER_ADDRESS = "127.0.0.3"
"""Of an IOC that the site knows nothing of."""

PLANT = """\
record(ai, "$(P)") {
    field(DESC, "SiPM current")
    field(INP,  "$(INP=1)")
    field(PINI, "YES")
    field(EGU,  "uA")
    field(PREC, "2")
    field(HIGH, "10")
    field(HIHI, "20")
    field(HSV,  "MINOR")
    field(HHSV, "MAJOR")
    info(alarm, "$(PATH) guidance=over-current $(OPTIONS=)")
}
"""
SITE = """\
name: Bench
prefix: T
channel_access: {{server_port: {ca}, repeater_port: {repeater}, address_list: [{base}, {other}, 127.255.255.255]}}
alarms: {{port: {http}}}
services: [alarms]
controllers:
  PS1: {{driver: c11204, id: "1", subsystem: BENCH, port: sim}}
iocs:
  bench: {{controllers: [PS1]}}
"""
ALARMS = """\
disconnect_grace_s: {grace}
connect_timeout_s: 20
guidance: {over-current: Switch it off.}
"""
NOTIFY = """\
channels:
  mail: {{host: 127.0.0.1, port: {smtp}, from: alarms@example.org, retry_s: 0.2, retry_max_s: 0.5}}
receivers:
  shift: {{channel: mail, address: shift@example.org}}
routes:
  bench: {{paths: [BENCH], minimum: MAJOR, receivers: [shift]}}
"""


def wait_until(condition: Callable[[], Any], timeout: float, what: str) -> Any:
    """Wait until a condition holds; returns what it returned."""
    end = time.monotonic() + timeout
    while not (found := condition()):
        if time.monotonic() > end:
            pytest.fail(f"{what}: not within {timeout} s")
        time.sleep(0.02)
    return found


class Epics:
    """An independent Channel Access client: ``epics_process.py`` as an object."""

    def __init__(self, environment: dict[str, str]) -> None:
        command = [sys.executable, str(Path(__file__).with_name("epics_process.py"))]
        pipe, quiet = subprocess.PIPE, subprocess.DEVNULL
        self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=quiet, text=True, env=environment)

    def put(self, values: dict[str, Any]) -> None:
        self._ask(put=values)

    def get(self, name: str) -> tuple[Any, int]:
        """Value and severity; ``None`` and -1 while nobody answers for the PV."""
        value, severity = self._ask(get=[name])[name] or (None, -1)
        return value, severity

    def _ask(self, **request: Any) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def close(self) -> None:
        self._process.communicate()


class Mailbox(Message):
    """Every mail that came, with its time."""

    def __init__(self) -> None:
        super().__init__()
        self.mails: list[tuple[float, Any]] = []

    def handle_message(self, message: Any) -> None:
        self.mails.append((time.time(), message))

    @property
    def subjects(self) -> list[str]:
        return [mail["Subject"] for _, mail in self.mails]


class Bench:
    """The site and its processes."""

    def __init__(self, folder: Path, ports: list[int], plant: str, grace: float = 1.0) -> None:
        """Write the site.

        Args:
            folder: an empty one.
            ports: four free ones: Channel Access, its repeater, HTTP, SMTP.
            plant: rows of the substitution file, columns P, PATH, INP, OPTIONS.
            grace: how long a PV may be gone, seconds.
        """
        self.folder = folder
        ca, repeater, http, self.smtp_port = ports
        self.url = f"http://127.0.0.1:{http}"
        (folder / "db_templates").mkdir(parents=True)
        (folder / "var" / "rendered").mkdir(parents=True)
        self.write("site.yaml", SITE.format(ca=ca, repeater=repeater, http=http, base=BASE_ADDRESS, other=OTHER_ADDRESS))
        self.write("alarms.yaml", ALARMS.replace("{grace}", str(grace)))
        self.write("notify.yaml", NOTIFY.format(smtp=self.smtp_port))
        self.write("db_templates/plant.template", PLANT)
        self.write("db_templates/ioc.substitutions", "# The IOC of this bench is EPICS Base: it has no service PVs.\n")
        rows = f'file "plant.template" {{\n pattern {{P PATH INP OPTIONS}}\n{plant}\n}}\n'
        self.write("var/rendered/bench.substitutions", rows)
        self.site = Site(folder)
        self.environment = os.environ | self.site.ca_environment()
        self.mailbox = Mailbox()
        self._ioc: subprocess.Popen[bytes] | None = None
        self._other_ioc: subprocess.Popen[bytes] | None = None
        self._service: subprocess.Popen[bytes] | None = None
        self._smtp: Controller | None = None

    def write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text, "utf-8")

    def start_ioc(self) -> None:
        self._ioc = self._base("plant.db", format_records(self.site.ioc_records("bench")), BASE_ADDRESS)

    def start_other_ioc(self, records: str) -> None:
        """One that the site knows nothing of, with these records."""
        self._other_ioc = self._base("other.db", records, OTHER_ADDRESS)

    def _base(self, name: str, records: str, address: str) -> subprocess.Popen[bytes]:
        self.write(name, records)
        environment = self.environment | {"EPICS_CAS_INTF_ADDR_LIST": address}
        command = [sys.executable, str(Path(__file__).with_name("plant.py")), str(self.folder / name)]
        with (self.folder / "ioc.log").open("ab") as log:
            return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=log, stderr=log, env=environment)

    def stop_ioc(self) -> None:
        self._ioc = _killed(self._ioc)

    def start_service(self) -> None:
        log = (self.folder / "alarms.log").open("ab")
        command = [sys.executable, "-m", "sipmdcs", "--site", str(self.folder), "--log-level", "info", "alarms"]
        self._service = subprocess.Popen(command, stdout=log, stderr=log, env=self.environment)
        log.close()
        wait_until(self._ready, 60, "the alarm service ready")

    def _ready(self) -> bool:
        assert self._service is not None
        assert self._service.poll() is None, (self.folder / "alarms.log").read_text()
        return (self.folder / "var" / "run" / "alarms.ready").is_file()

    def kill_service(self) -> None:
        if self._service is not None:
            self._service.kill()
            self._service.wait()
            self._service = None
            (self.folder / "var" / "run" / "alarms.ready").unlink(missing_ok=True)

    def start_smtp(self) -> None:
        self._smtp = Controller(self.mailbox, hostname="127.0.0.1", port=self.smtp_port)
        self._smtp.start()

    def stop_smtp(self) -> None:
        if self._smtp is not None:
            self._smtp.stop()
            self._smtp = None

    def stop(self) -> None:
        self.kill_service()
        self.stop_ioc()
        self._other_ioc = _killed(self._other_ioc)
        self.stop_smtp()

    def get(self, path: str) -> Any:
        with urllib.request.urlopen(self.url + path, timeout=10) as reply:
            return json.load(reply)

    def post(self, path: str, **body: Any) -> Any:
        request = urllib.request.Request(self.url + path, json.dumps(body).encode(), {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=10) as reply:
            return json.load(reply)

    def severity(self, pv: str) -> str:
        return self.get(f"/pv/{pv}")["severity"]

    def run(self, *arguments: str, check: bool = True) -> str:
        command = [sys.executable, "-m", "sipmdcs", "--site", str(self.folder), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, env=self.environment, timeout=30, check=False)
        if check:
            assert done.returncode == 0, done.stderr
        return done.stdout + done.stderr

    def text(self, name: str) -> str:
        """A character array as a client shows it, read with pyepics."""
        code = f"import epics; print(epics.caget({name!r}, as_string=True, timeout=10))"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=self.environment, check=True)
        return done.stdout

    def put(self, name: str, value: str) -> str:
        """What becomes of a put; empty if it is done. pyepics does not tell."""
        code = (
            f"from sipmdcs.channels import open_channels; print(open_channels().put({{{name!r}: {value!r}}})[{name!r}] or '')"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=self.environment, check=True)
        return done.stdout.strip()

    def connected(self) -> None:
        """Wait until every PV of the plant has reported."""

        def all_reported() -> bool:
            return all(leaf["current_value"] for leaf in self.get("/tree?path=BENCH")["leaves"])

        wait_until(all_reported, 60, "the plant connected")


def _killed(process: subprocess.Popen[bytes] | None) -> None:
    if process is not None:
        process.kill()
        process.communicate()
