"""How long until every PV of a large alarm tree is alive, beside a bare capture of the same PVs on the same EPICS Base records.

    python bench/alarm_pvs.py [--records 100000] [--without-bare]

A PV is alive when the alarm service has taken what it reports, counted from the start of the process: the service is asked over
Channel Access for ``DISCONNECTED``, and one alarm that is raised as soon as that is 0 shows that it takes alarms. The bare
capture is our own client monitoring the same PVs and doing nothing with them. CPU seconds are user plus system time of the
process.
"""

from __future__ import annotations

import argparse
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
from machine import describe_machine

HERE = Path(__file__).parent
ADDRESS = "127.0.0.2"
"""Of the records; the service listens on 127.0.0.1."""
LIMIT_S = 900.0

SITE = """\
name: Bench
prefix: T
channel_access: {{server_port: {ca}, repeater_port: {repeater}, address_list: [{address}, 127.255.255.255]}}
alarms: {{port: {http}}}
services: [alarms]
controllers:
  PS1: {{driver: c11204, id: "1", subsystem: BENCH, port: sim}}
iocs:
  bench: {{controllers: [PS1]}}
"""

BARE = """
import sys, time
from sipmdcs.channels import Mask, open_channels
names = [f"LOAD:{{n}}" for n in range({records})]
channels = open_channels()
with channels.capture(names, mask=Mask.ALARM) as capture:
    heard = 0
    while heard < len(names):
        capture.wait(1.0)
        time.sleep(0.05)
        heard += int((capture.drain().events["kind"] < 4).sum())
    print(time.process_time(), flush=True)
    sys.stdin.read()
"""


def free_ports(count: int) -> list[int]:
    """So many ports that nobody has now."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def write_site(folder: Path, records: int) -> dict[str, str]:
    """A site whose tree holds all records, and the environment of its processes."""
    from sipmdcs.site import Site

    ca, repeater, http = free_ports(3)
    (folder / "site.yaml").write_text(SITE.format(ca=ca, repeater=repeater, http=http, address=ADDRESS))
    (folder / "var" / "rendered").mkdir(parents=True)
    (folder / "var" / "rendered" / "bench.substitutions").write_text("# The IOC of this bench is EPICS Base.\n")
    (folder / "db_templates").mkdir()
    (folder / "db_templates" / "ioc.substitutions").write_text("# It has no PVs of a service.\n")
    rows = (f'  "LOAD:{n}": {{path: L{n // 5000:02d}/C{n // 100 % 50:02d}}}\n' for n in range(records))
    (folder / "alarms.yaml").write_text("connect_timeout_s: 300\nextra:\n" + "".join(rows))
    return os.environ | Site(folder).ca_environment()


@contextmanager
def base(folder: Path, records: int, environment: dict[str, str]) -> Iterator[psutil.Process]:
    """EPICS Base with the records."""
    file = folder / "load.db"
    fields = 'field(INP, "1") field(PINI, "YES") field(HIHI, "20") field(HHSV, "MAJOR") field(EGU, "uA")'
    file.write_text("".join(f'record(ai, "LOAD:{n}") {{ {fields} }}\n' for n in range(records)))
    code = "import sys\nfrom epicscorelibs import ioc\nioc.start_ioc(dbs=[(sys.argv[1], '')])\n"
    code += "print('ready', flush=True)\nsys.stdin.read()"
    pipe = subprocess.PIPE
    command = [sys.executable, "-c", code, str(file)]
    ioc = subprocess.Popen(
        command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, env=environment | {"EPICS_CAS_INTF_ADDR_LIST": ADDRESS}
    )
    try:
        assert ioc.stdout is not None
        while ioc.stdout.readline().strip() != b"ready":
            assert ioc.poll() is None, "EPICS Base did not start"
        yield psutil.Process(ioc.pid)
    finally:
        ioc.kill()
        ioc.wait()


def bare(records: int, environment: dict[str, str]) -> tuple[float, float]:
    """Seconds and CPU seconds of a capture until every PV has reported, process start included."""
    start, pipe = time.monotonic(), subprocess.PIPE
    command = [sys.executable, "-c", BARE.format(records=records)]
    process = subprocess.Popen(command, env=environment, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL)
    try:
        assert process.stdout is not None
        cpu_s = float(process.stdout.readline())
        return time.monotonic() - start, cpu_s
    finally:
        process.kill()
        process.communicate()


def service(folder: Path, environment: dict[str, str]) -> tuple[float, float, float, float]:
    """Seconds and CPU seconds until all are alive; seconds of one alarm to its state PV then; MB of memory."""
    os.environ.update(environment)
    from sipmdcs.channels import open_channels
    from sipmdcs.errors import ChannelError

    channels = open_channels()
    log = (folder / "alarms.log").open("wb")
    start = time.monotonic()
    command = [sys.executable, "-m", "sipmdcs", "--site", str(folder), "--log-level", "info", "alarms"]
    process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
    watched = psutil.Process(process.pid)
    try:
        name = "T:SYS:ALARMS:DISCONNECTED"
        total = "T:SYS:ALARMS:PVS"
        while True:
            assert process.poll() is None, (folder / "alarms.log").read_text()[-2000:]
            assert time.monotonic() - start < LIMIT_S, "not alive in time"
            found = channels.get([name, total], timeout=1.0)
            values = {pv: None if isinstance(value, ChannelError) else value.value for pv, value in found.items()}
            if values[name] == 0 and values[total]:
                break
            time.sleep(0.05)
        alive_s, times = time.monotonic() - start, watched.cpu_times()
        raised = time.monotonic()
        channels.put({"LOAD:0": 25.0})
        while True:
            state = channels.get(["T:ALARM:LOAD:0"], timeout=1.0)["T:ALARM:LOAD:0"]
            if not isinstance(state, ChannelError) and state.value == 6:
                break
            assert time.monotonic() - raised < LIMIT_S, "the alarm is not taken"
            time.sleep(0.01)
        return alive_s, times.user + times.system, time.monotonic() - raised, watched.memory_info().rss / 1e6
    finally:
        process.kill()
        process.wait()
        channels.close()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=100_000)
    parser.add_argument("--without-bare", action="store_true", help="measure the service alone")
    options = parser.parse_args()
    print(describe_machine("epicscorelibs"))
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        environment = write_site(folder, options.records)
        with base(folder, options.records, environment) as ioc:
            if not options.without_bare:
                seconds, cpu_s = bare(options.records, environment)
                print(f"bare capture of {options.records} PVs: {seconds:.1f} s, {cpu_s:.1f} s of CPU", flush=True)
                while ioc.cpu_percent(1.0) > 5:
                    pass  # it is busy with the channels that are gone
            alive_s, cpu_s, alarm_s, memory = service(folder, environment)
    print(f"alarm service, {options.records} PVs alive: {alive_s:.1f} s, {cpu_s:.1f} s of CPU, {memory:.0f} MB")
    print(f"an alarm then is shown after {alarm_s:.2f} s")


if __name__ == "__main__":
    main()
