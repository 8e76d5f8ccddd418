"""How long a first alarm takes from the put that causes it to the end of its mail at the SMTP server, default settings.

    python bench/paging.py [--idle 100] [--storm 10000]

Idle: each alarm is the first of its receiver, one after the other on a quiet site. Storm: so many PVs go into alarm at once,
and twenty first alarms of other receivers are raised while that goes on. Beside it a bare capture on the same records: how long
the event itself takes to reach a client.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from alarm_pvs import ADDRESS, SITE, free_ports
from machine import describe_machine

from sipmdcs.site import Site

LIMIT_S = 60.0
"""Longest wait for the service to be ready, and for a mail."""

DURING = 20
"""First alarms that are raised during the storm."""


class Mailbox:
    """When the first mail to each address was complete."""

    def __init__(self) -> None:
        self.arrived: dict[str, float] = {}

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802  aiosmtpd looks for this name
        for address in envelope.rcpt_tos:
            self.arrived.setdefault(address, time.monotonic())
        return "250 taken"

    def wait(self, receiver: str) -> float:
        """When the mail to a receiver came."""
        end = time.monotonic() + LIMIT_S
        while (when := self.arrived.get(f"{receiver}@example.org")) is None:
            assert time.monotonic() < end, f"no mail to {receiver}"
            time.sleep(0.001)
        return when


def write_site(folder: Path, first: int, storm: int, smtp_port: int) -> dict[str, str]:
    """A site with one receiver per first alarm and one for the storm."""
    ca, repeater, http = free_ports(3)
    (folder / "site.yaml").write_text(SITE.format(ca=ca, repeater=repeater, http=http, address=ADDRESS))
    (folder / "var" / "rendered").mkdir(parents=True)
    (folder / "var" / "rendered" / "bench.substitutions").write_text("# The IOC of this bench is EPICS Base.\n")
    (folder / "db_templates").mkdir()
    (folder / "db_templates" / "ioc.substitutions").write_text("# It has no PVs of a service.\n")
    rows = [f'  "F:{n}": {{path: FIRST/C{n}}}\n' for n in range(first)]
    rows += [f'  "S:{n}": {{path: STORM/C{n // 100}}}\n' for n in range(storm)]
    (folder / "alarms.yaml").write_text("extra:\n" + "".join(rows))
    text = f"channels:\n  mail: {{host: 127.0.0.1, port: {smtp_port}, from: alarms@example.org}}\nreceivers:\n"
    names = [*(f"f{n}" for n in range(first)), "storm"]
    text += "".join(f"  {name}: {{channel: mail, address: {name}@example.org}}\n" for name in names) + "routes:\n"
    text += "".join(f"  f{n}: {{paths: [FIRST/C{n}], receivers: [f{n}]}}\n" for n in range(first))
    (folder / "notify.yaml").write_text(text + "  storm: {paths: [STORM], receivers: [storm]}\n")
    fields = 'field(PINI, "YES") field(HIHI, "20") field(HHSV, "MAJOR") field(EGU, "uA") field(PREC, "2")'
    records = [f'record(ai, "F:{n}") {{ field(INP, "1") {fields} }}\n' for n in range(first)]
    records += ['record(ao, "MASTER") { field(VAL, "1") field(PINI, "YES") }\n']
    records += [f'record(ai, "S:{n}") {{ field(INP, "MASTER CP") {fields} }}\n' for n in range(storm)]
    (folder / "load.db").write_text("".join(records))
    return os.environ | Site(folder).ca_environment()


def summary(seconds: Sequence[float]) -> str:
    """Median and 99th percentile, milliseconds."""
    ordered = sorted(seconds)
    middle, high = ordered[len(ordered) // 2], ordered[min(len(ordered) - 1, len(ordered) * 99 // 100)]
    return f"median {middle * 1e3:.0f} ms, p99 {high * 1e3:.0f} ms"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--idle", type=int, default=100)
    parser.add_argument("--storm", type=int, default=10_000)
    options = parser.parse_args()
    print(describe_machine("epicscorelibs", "aiosmtpd"), f"load {os.getloadavg()[0]:.1f}")
    mailbox = Mailbox()
    (smtp_port,) = free_ports(1)
    controller = Controller(mailbox, hostname="127.0.0.1", port=smtp_port)
    controller.start()
    processes: list[subprocess.Popen[bytes]] = []
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        environment = write_site(folder, options.idle + DURING, options.storm, smtp_port)
        os.environ.update(environment)
        try:
            _measure(folder, environment, options, mailbox, processes)
        finally:
            for process in processes:
                process.kill()
                process.wait()
            controller.stop()


def _measure(
    folder: Path, environment: dict[str, str], options: Any, mailbox: Mailbox, processes: list[subprocess.Popen[bytes]]
) -> None:
    from sipmdcs.channels import Mask, open_channels  # reads the environment
    from sipmdcs.errors import ChannelError

    log = (folder / "log").open("wb")
    code = "import sys\nfrom epicscorelibs import ioc\nioc.start_ioc(dbs=[(sys.argv[1], '')])\nsys.stdin.read()"
    command = [sys.executable, "-c", code, str(folder / "load.db")]
    base = environment | {"EPICS_CAS_INTF_ADDR_LIST": ADDRESS}
    processes.append(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=log, stderr=log, env=base))
    command = [sys.executable, "-m", "sipmdcs", "--site", str(folder), "alarms"]
    processes.append(subprocess.Popen(command, stdout=log, stderr=log, env=environment))
    channels = open_channels()
    end = time.monotonic() + LIMIT_S
    while True:
        value = channels.get(["T:SYS:ALARMS:DISCONNECTED"], timeout=1.0)["T:SYS:ALARMS:DISCONNECTED"]
        if not isinstance(value, ChannelError) and value.value == 0 and (folder / "var" / "run" / "alarms.ready").exists():
            break
        assert time.monotonic() < end, "the service is not ready"
        time.sleep(0.1)
    time.sleep(3)  # until metadata are in and everything is quiet
    names = [f"F:{n}" for n in range(options.idle + DURING)]
    bare: list[float] = []
    pages: list[float] = []
    with channels.capture(names, mask=Mask.ALARM) as capture:
        while not capture.connected().all():
            time.sleep(0.1)
        channels.get(names)  # a put then finds its channel connected: the search is none of what is measured
        time.sleep(1)
        for n in range(options.idle):
            time.sleep(random.uniform(0.1, 0.6))  # at any moment of what the service does now and then
            capture.drain()
            start = time.monotonic()
            channels.put({names[n]: 25.0})
            capture.wait(10.0)
            bare.append(time.monotonic() - start)
            pages.append(mailbox.wait(f"f{n}") - start)
    print(f"idle, bare event: {summary(bare)}")
    print(f"idle, page: {summary(pages)}", flush=True)
    begin = time.monotonic()
    channels.put({"MASTER": 25.0})
    starts: dict[int, float] = {}
    for n in range(options.idle, options.idle + DURING):
        starts[n] = time.monotonic()
        channels.put({names[n]: 25.0})
        time.sleep(0.1)
    taken = channels.get(["T:ALARM:STORM:N_UNACKED"])["T:ALARM:STORM:N_UNACKED"]
    shown = "?" if isinstance(taken, ChannelError) else f"{taken.value:.0f}"
    storm = mailbox.wait("storm") - begin
    pages = [mailbox.wait(f"f{n}") - start for n, start in starts.items()]
    print(f"storm of {options.storm}, its own first page: {storm * 1e3:.0f} ms")
    print(f"storm of {options.storm}, first pages of others: {summary(pages)}; {shown} were shown when the last was raised")
    channels.close()


if __name__ == "__main__":
    main()
