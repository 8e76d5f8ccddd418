"""Memory of the example site at rest, process by process, beside IOCs of EPICS Base with as many records.

    python bench/at_rest.py [--seconds 120]

The site is examples/padme-like as ``sipmdcs demo`` starts it: settings pushed, all channels on. PSS counts a page that
several processes share once in all, RSS once for each of them; what the machine gives is PSS. Base has one process for each
IOC of the site too, ``python -m epicscorelibs.ioc``, without devices behind its records.
"""

from __future__ import annotations

import argparse
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import yaml
from ioc_base import database, server
from ioc_startup import free_port
from large_site import EXAMPLE, SIPMDCS
from machine import describe_machine

from sipmdcs.errors import DcsError
from sipmdcs.site import Site
from sipmdcs.supervise.processes import marked_processes

TARGET_MB = 800.0
START_S = 300.0
SERVICES = ("archiver", "alarms", "logbook", "web", "memcached")


def make_site(folder: Path) -> None:
    """The example in ``folder``, with ports of its own."""
    shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns("var"))
    ports = random.sample(range(10_000, 32_000), 2 + len(SERVICES))
    site = yaml.safe_load((folder / "site.yaml").read_text("utf-8"))
    site["channel_access"] = {"server_port": ports[0], "repeater_port": ports[1]}
    for service, port in zip(SERVICES, ports[2:], strict=True):
        site[service] = site.get(service, {}) | {"port": port}
    (folder / "site.yaml").write_text(yaml.safe_dump(site, sort_keys=False), "utf-8")


@contextmanager
def demo(folder: Path) -> Iterator[float]:
    """The site while it runs; seconds until it was ready."""
    begin = time.monotonic()
    log = folder.with_name("demo.log")
    with log.open("w") as output:
        process = subprocess.Popen([SIPMDCS, "demo", "--headless", str(folder)], stdout=output, stderr=output)
    try:
        while "Ctrl-C ends it" not in log.read_text():
            if process.poll() is not None or time.monotonic() > begin + START_S:
                raise SystemExit(f"the site did not start:\n{log.read_text()}")
            time.sleep(0.2)
        yield time.monotonic() - begin
    finally:
        process.send_signal(signal.SIGINT)
        process.wait()


def memory(processes: Iterable[tuple[str, psutil.Process]]) -> float:
    """Print RSS, PSS and USS of each and of all; the PSS of all, MB."""
    print(f"{'':14} {'RSS':>8} {'PSS':>8} {'USS':>8}  MB")
    total = [0.0, 0.0, 0.0]
    for name, process in processes:
        with suppress(psutil.NoSuchProcess):
            info = process.memory_full_info()
            row = [info.rss / 1e6, info.pss / 1e6, info.uss / 1e6]
            total = [sum(pair) for pair in zip(total, row, strict=True)]
            print(f"{name:14} {row[0]:8.1f} {row[1]:8.1f} {row[2]:8.1f}")
    print(f"{'all':14} {total[0]:8.0f} {total[1]:8.0f} {total[2]:8.0f}")
    return total[1]


def records_of(folder: Path) -> dict[str, int]:
    """Records of each IOC of the site."""
    site = Site(folder)
    return {name: len(site.ioc_records(name)) for name in site.file.iocs}


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=120, help="rest before the memory is read")
    options = parser.parse_args()
    print(describe_machine("epicscorelibs"))
    with tempfile.TemporaryDirectory() as parent:
        folder = Path(parent) / "site"
        make_site(folder)
        try:
            with demo(folder) as start_s:
                print(f"ready after {start_s:.1f} s; at rest for {options.seconds:g} s")
                time.sleep(options.seconds)
                found = marked_processes(folder)
                ours = memory((one.program or "supervisord", one.process) for one in found)
                iocs = {*Site(folder).file.iocs}
                of_iocs = sum(one.process.memory_full_info().pss for one in found if one.program in iocs) / 1e6
            counts = records_of(folder)
        except DcsError as err:
            sys.exit(str(err))
        file = Path(parent) / "base.db"
        file.write_text(database(max(counts.values())))
        with server("base", file, free_port()) as (first, _), server("base", file, free_port()) as (_, _):
            time.sleep(2)
            theirs = first.memory_full_info().pss / 1e6
    print(f"IOCs: {len(counts)} of {max(counts.values())} records at most: {of_iocs / len(counts):.1f} MB each, ", end="")
    print(f"EPICS Base {theirs:.1f} MB: {of_iocs / len(counts) / theirs:.2f} times")
    print(f"site at rest: {ours:.0f} MB PSS (to reach: {TARGET_MB:.0f})")


if __name__ == "__main__":
    main()
