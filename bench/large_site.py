"""A whole simulated site of any size, and what it costs: processor time and memory of every process, push, diff, doctor, page.

    python bench/large_site.py [--controllers 188] [--iocs 12] [--seconds 30]
    python bench/large_site.py --controllers 16 --iocs 1 --services archiver,alarms    # what a poll costs, in a minute
    python bench/large_site.py --make FOLDER          # only make the site

The last table has the figures that are to be reached.

Everything runs as on a real site: simulated controllers on their wires, IOCs, all services. The simulators share the processors
with what is measured; they have a line of their own in the table. Times are wall-clock time.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import httpx
import psutil
import yaml
from machine import describe_machine
from refresh import QUESTIONS, REFRESH

from sipmdcs.channels import Channels, PvValue, open_channels
from sipmdcs.site import Site
from sipmdcs.supervise.processes import marked_processes

HERE = Path(__file__).parent
SIPMDCS = str(Path(sys.executable).with_name("sipmdcs"))
EXAMPLE = HERE.parent / "examples" / "padme-like"
CHANNELS = 16
SERVICES = ("archiver", "alarms", "analysis", "logbook", "memcached", "agents", "scanner", "web")
HEADER = "controller,channel,cable_position,preamp_position,sipm_serial,vbr_V,vop_V,dark_current_uA"


def make_site(folder: Path, controllers: int, iocs: int, services: Sequence[str] = SERVICES) -> None:
    """Site folder with its channel table; nothing of it runs."""
    folder.mkdir(parents=True)
    ids = [f"{number:03d}" for number in range(1, controllers + 1)]
    ports = random.sample(range(10_000, 32_000), 7)
    site = {
        "name": "Large",
        "prefix": "BENCH",
        "services": [*services],
        "controllers": {f"HV{one}": {"driver": "padme-nim", "id": one, "subsystem": "VETO", "port": "sim"} for one in ids},
        "iocs": {f"ioc-{n + 1}": {"controllers": [f"HV{one}" for one in ids[n::iocs]]} for n in range(min(iocs, controllers))},
        "channel_access": {"server_port": ports[0], "repeater_port": ports[1]},
    } | {
        name: {"port": port}
        for name, port in zip(("archiver", "alarms", "logbook", "web", "memcached"), ports[2:], strict=True)
    }
    (folder / "site.yaml").write_text(yaml.safe_dump(site, sort_keys=False), "utf-8")
    rows = [
        f"{one},{n:02d},{one}.1.{n},{one}.{n},S{one}-{n},{50 + n / 100:.2f},{55 + n / 100:.2f},0.1"
        for one in ids
        for n in range(1, CHANNELS + 1)
    ]
    (folder / "channels.csv").write_text("\n".join([HEADER, *rows, ""]), "utf-8")
    alarms = yaml.safe_load((EXAMPLE / "alarms.yaml").read_text("utf-8"))
    del alarms["nodes"]  # of parts that this site does not have
    (folder / "alarms.yaml").write_text(yaml.safe_dump(alarms, sort_keys=False), "utf-8")
    shutil.copy(EXAMPLE / "archiver.yaml", folder)


def timed(folder: Path, *arguments: str, expect: Sequence[int] = (0,)) -> float:
    """Run a command of the site; seconds it took."""
    begin = time.perf_counter()
    done = subprocess.run([SIPMDCS, "--site", str(folder), *arguments], capture_output=True, text=True, check=False)
    took = time.perf_counter() - begin
    lines = (done.stdout + done.stderr).strip().splitlines()
    failed = done.returncode not in expect
    status = f"exit {done.returncode}: " if failed else ""
    print(f"{' '.join(arguments)[:40]:40} {took:8.1f} s  {status}{lines[-1:]}", flush=True)
    if failed:
        print(*lines[:5], sep="\n", flush=True)
    return took


def refresh(folder: Path, repeat: int = 10) -> float:
    """Time of all that the overview of the page asks in a turn, one question after the other; its median in seconds."""
    port = yaml.safe_load((folder / "site.yaml").read_text("utf-8"))["web"]["port"]
    took: list[float] = []
    with httpx.Client(base_url=f"http://127.0.0.1:{port}/api/v1", timeout=60) as web:
        for _ in range(repeat):
            begin = time.perf_counter()
            for name in REFRESH:
                web.get(QUESTIONS[name]).raise_for_status()
            took.append(time.perf_counter() - begin)
            time.sleep(2)  # as the page does
    print(f"{'refresh of the page, median (longest)':40} {statistics.median(took):8.2f} s  ({max(took):.2f} s)", flush=True)
    return statistics.median(took)


def count_polls(channels: Channels, site: Site) -> float:
    """Polls of all controllers since their IOCs started."""
    names = [f"{site.controller_prefix(name)}:HEARTBEAT" for name in site.file.controllers]
    got = [one.value for one in channels.get(names).values() if isinstance(one, PvValue)]
    return sum(value for value in got if isinstance(value, int | float))


def costs(folder: Path, seconds: float) -> float:
    """Processor time and memory of the processes of a running site, by program; what the agents use, in % of a core."""
    site = Site(folder)
    os.environ.update(site.ca_environment())
    channels = open_channels()
    count_polls(channels, site)  # connects
    found = marked_processes(folder)
    before = {one.process.pid: sum(one.process.cpu_times()[:2]) for one in found}
    polls = -count_polls(channels, site)
    time.sleep(seconds)
    polls += count_polls(channels, site)
    table: dict[str, list[float]] = defaultdict(lambda: [0, 0.0, 0.0, 0.0])
    for one in found:
        try:
            memory = one.process.memory_full_info()
            used = sum(one.process.cpu_times()[:2]) - before[one.process.pid]
        except psutil.Error:
            continue
        kind = "iocs" if one.program.startswith("ioc-") else one.program or "supervisord"
        for index, value in enumerate((1, 100 * used / seconds, memory.pss / 1e6, memory.rss / 1e6)):
            table[kind][index] += value
    print(f"{'program':14} {'processes':>9} {'% of a core':>12} {'PSS MB':>8} {'RSS MB':>8}")
    for kind, row in [*sorted(table.items()), ("all", [sum(column) for column in zip(*table.values(), strict=True)])]:
        print(f"{kind:14} {row[0]:9.0f} {row[1]:12.1f} {row[2]:8.0f} {row[3]:8.0f}")
    each_ms = table["iocs"][1] / 100 * seconds / polls * 1000
    print(f"{polls / seconds:.0f} polls a second, IOC processor time per poll of {CHANNELS} channels: {each_ms:.2f} ms")
    return table["agents"][1]


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--controllers", type=int, default=188)
    parser.add_argument("--iocs", type=int, default=12)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--services", default=",".join(SERVICES), help="separated by commas; may be empty")
    parser.add_argument("--make", type=Path, metavar="FOLDER", help="only make the site")
    arguments = parser.parse_args()
    if arguments.make:
        make_site(arguments.make, arguments.controllers, arguments.iocs)
        return
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))  # the site must not outlive its benchmark
    print(describe_machine(), flush=True)
    with tempfile.TemporaryDirectory() as parent:
        folder = Path(parent) / "site"
        services = [*filter(None, arguments.services.split(","))]
        make_site(folder, arguments.controllers, arguments.iocs, services)
        channels = arguments.controllers * CHANNELS
        print(f"{channels} channels, {arguments.controllers} controllers, {arguments.iocs} IOCs", flush=True)
        timed(folder, "config", "import", "--channels", str(folder / "channels.csv"), "--message", "bench")
        timed(folder, "config", "render")
        rows = [("doctor, site down", timed(folder, "doctor"), 3.0, "s")]
        try:
            timed(folder, "up", "--timeout", "600")
            push = "config", "push", "--message", "bench"
            rows += [("push", timed(folder, *push), 15.0, "s"), ("push, nothing to change", timed(folder, *push), 15.0, "s")]
            timed(folder, "config", "diff", "head", "live", expect=(0, 1))
            rows.append(("doctor, site up", timed(folder, "doctor", expect=(0, 1)), 3.0, "s"))
            if "web" in services:
                rows.append(("refresh of the page", refresh(folder), 0.3, "s"))
            timed(folder, "status")
            time.sleep(arguments.seconds)
            rows.append(("agents", costs(folder, arguments.seconds), 8.0, "% of a core"))
        finally:
            timed(folder, "down")
        print(f"{'figure':26} {'measured':>9} {'to reach':>9}")
        for name, measured, target, unit in rows:
            print(f"{name:26} {measured:9.2f} {target:9.1f} {unit}")


if __name__ == "__main__":
    main()
