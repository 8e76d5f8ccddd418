"""Processor time of the hot cache agent: every property of every channel copied into a running memcached, once a second.

    python bench/agents_load.py [--channels 3008] [--properties 7] [--changing 0.02] [--runs 10]

Values come from memory instead of Channel Access; the host's part, the agent's own process and memcached are real and are
given apart, as percent of one core. ``--changing`` is the share of values that differ from one run to the next.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
from machine import describe_machine

from agents.agentsfile import AgentsFile
from agents.cache import CacheState, HotCache
from agents.child import Child
from agents.declaring import load_request
from agents.discovery import find_plugins
from agents.feed import Feed
from agents.inputs import Wiring
from agents.latest import Latest
from agents.memcached_service import find_program
from agents.mirror import Mirror
from agents.reading import Row
from sipmdcs.clock import NS, Clock, SystemClock
from sipmdcs.site import Site

TARGET_PERCENT = 8.0
SITE = """\
name: Bench
prefix: DET
services: [agents]
controllers:
  PS1: {driver: c11204, id: "1", subsystem: BENCH, port: sim}
iocs:
  bench: {controllers: [PS1]}
"""
TIMEOUT_S = 30.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


def rows(count: int, clock: Clock) -> Iterator[Row]:
    """As polls make them: a hundred values of one time, of so many digits as a device has."""
    for start in range(0, count, 100):
        time, arrived = clock.time_ns() / NS, clock.monotonic()
        for _ in range(min(100, count - start)):
            yield random.randrange(100_000) / 1000, 0, "NO_ALARM", time, arrived


async def measure(site: Site, port: int, memcached: psutil.Process, arguments: argparse.Namespace) -> dict[str, float]:
    clock = SystemClock()
    cache = HotCache("127.0.0.1", port, clock)
    writing = asyncio.create_task(cache.run())
    while cache.state is not CacheState.CONNECTED:  # noqa: ASYNC110
        await asyncio.sleep(0.05)
    names = [
        f"DET:SUB:HV{channel // 16:03d}:CH{channel % 16:02d}:P{number}_RBV"
        for channel in range(arguments.channels)
        for number in range(arguments.properties)
    ]
    latest = Latest(None, clock)  # type: ignore[arg-type]
    latest.accept(dict(zip(names, rows(len(names), clock), strict=True)))
    feed = Feed(Wiring({"pvs": tuple(names)}, frozenset()), latest, cache, clock)
    mirror = Mirror("hotcache", cache, 3, clock)
    child = await Child.start(site.folder / "workers")
    own, worker = psutil.Process(), psutil.Process(child.pid)
    try:
        await child.load(load_request(site, find_plugins(site)["hotcache"], AgentsFile()))
        parts: dict[str, float] = {}
        before, writes = [0.0, 0.0, 0.0], 0
        for run in range(1, arguments.runs + 2):
            if run == 2:  # the first fills the cache
                while cache.waiting:  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
                before, writes = [seconds(one) for one in (own, worker, memcached)], cache.writes
            began = time.monotonic()
            changing = sorted(random.sample(names, int(arguments.changing * len(names))))
            latest.accept(dict(zip(changing, rows(len(changing), clock), strict=True)))
            mirror.note(*await feed.refresh())
            if not feed.lacking("none"):
                mirror.write({}, 1.0, run)
            await child.ask({"run": {**feed.request(), "time": time.time()}}, TIMEOUT_S)
            await asyncio.sleep(max(0.0, 1.0 - (time.monotonic() - began)))
        after = [seconds(one) for one in (own, worker, memcached)]
        for name, start, end in zip(("host", "agent", "memcached"), before, after, strict=True):
            parts[name] = 100 * (end - start) / arguments.runs
        parts["writes a run"] = (cache.writes - writes) / arguments.runs
        return parts
    finally:
        await child.kill()
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)


def main() -> None:
    """Print processor time per part."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--channels", type=int, default=3008)
    parser.add_argument("--properties", type=int, default=7)
    parser.add_argument("--changing", type=float, default=0.02)
    parser.add_argument("--runs", type=int, default=10)
    arguments = parser.parse_args()
    print(describe_machine())
    port = free_port()
    with (
        tempfile.TemporaryDirectory() as folder,
        subprocess.Popen([find_program(), "-l", "127.0.0.1", "-p", str(port), "-U", "0", "-u", "root"]) as memcached,
    ):
        try:
            Path(folder, "site.yaml").write_text(SITE)
            parts = asyncio.run(measure(Site(Path(folder)), port, psutil.Process(memcached.pid), arguments))
        finally:
            memcached.terminate()
    print(f"{arguments.channels} channels, {arguments.properties} PVs each, {arguments.changing:.0%} changing a second:")
    for name, value in parts.items():
        print(f"  {name:14s} {value:8.1f}{'' if 'writes' in name else ' % of a core'}")
    total = sum(value for name, value in parts.items() if "writes" not in name)
    print(f"  {'all':14s} {total:8.1f} % of a core, to reach {TARGET_PERCENT:g} %")


if __name__ == "__main__":
    main()
