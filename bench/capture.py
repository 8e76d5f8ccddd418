"""Monitor events captured per CPU second: our capture and our whole archiver against pyepics, on the same EPICS Base records.

    python bench/capture.py [--records 2000] [--rate 10] [--seconds 10] [--rounds 3] [--without-archiver]

Each client is a process of its own that monitors all records; the clients take turns, so that whatever else the machine
does meets all of them. CPU seconds are user plus system time of the whole client process over the window, libca's threads
included, start-up and connection excluded. Events are counted by the client; those of the archiver are looked up in the
archive afterwards.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

import psutil
from machine import describe_machine

HERE = Path(__file__).parent
PREFIX = "LOAD:"
SETTLE_S = 4.0
"""Between the last connection and the window: first values are in, buffers have their size."""


@dataclass(frozen=True)
class Figure:
    """What one client did in one window."""

    events: int
    cpu_s: float

    @property
    def per_cpu_s(self) -> float:
        """Events per CPU second."""
        return self.events / self.cpu_s


# -- clients, each run in a process of its own ------------------------------------------------------------------------


def capture(names: list[str], seconds: float, interval: float) -> Figure:
    """Our capture, drained and thrown away."""
    from sipmdcs.channels import open_channels

    pvs = open_channels()
    with pvs.capture(names) as monitors:
        while not monitors.connected().all():
            time.sleep(0.1)
        time.sleep(SETTLE_S)
        monitors.drain()
        count = 0

        def follow() -> None:
            nonlocal count
            deadline = time.monotonic() + seconds
            while time.monotonic() < deadline:
                time.sleep(interval)
                batch = monitors.drain()
                assert batch.dropped == 0
                count += len(batch.events)

        cpu_s = _own_cpu(follow)
    pvs.close()
    return Figure(count, cpu_s)


def pyepics(names: list[str], seconds: float, _: float) -> Figure:
    """A pyepics PV per record with a callback that appends to a list."""
    import epics

    samples: list[float] = []

    def append(value: float = 0.0, **_: object) -> None:
        samples.append(value)

    pvs = [epics.PV(name, callback=append, auto_monitor=True) for name in names]
    while not all(pv.connected for pv in pvs):
        time.sleep(0.1)
    time.sleep(SETTLE_S)
    before = len(samples)
    cpu_s = _own_cpu(lambda: time.sleep(seconds))
    return Figure(len(samples) - before, cpu_s)


def _own_cpu(work: Callable[[], object]) -> float:
    before = resource.getrusage(resource.RUSAGE_SELF)
    work()
    after = resource.getrusage(resource.RUSAGE_SELF)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


CLIENTS = {"capture": capture, "pyepics": pyepics}


def run_client(client: str, options: argparse.Namespace) -> Figure:
    """Run one client in a process of its own."""
    command = [sys.executable, __file__, "--client", client, "--records", str(options.records)]
    command += ["--seconds", str(options.seconds), "--interval", str(options.interval)]
    output = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True, text=True).stdout
    return Figure(**json.loads(output.splitlines()[-1]))


# -- the archiver -----------------------------------------------------------------------------------------------------


def run_archiver(options: argparse.Namespace) -> Figure:
    """Start the archiver as a user would, on the same records, and look up afterwards what it has of the window."""
    names = _names(options.records)
    with tempfile.TemporaryDirectory() as folder:
        pvs = Path(folder) / "pvs.txt"
        pvs.write_text("".join(f"{name}\n" for name in names))
        port = _free_port()
        command = [str(Path(sys.executable).with_name("sipmdcs")), "archiver", "--pvs", str(pvs)]
        command += ["--folder", str(Path(folder) / "archive"), "--port", str(port)]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            now = datetime.now(UTC)
            while not _samples(port, names[-1], now, datetime.now(UTC)):
                assert process.poll() is None, "the archiver ended"
                time.sleep(0.5)
            time.sleep(SETTLE_S)
            start, before = datetime.now(UTC), _tree_cpu(process.pid)
            time.sleep(options.seconds)
            end, cpu_s = datetime.now(UTC), _tree_cpu(process.pid) - before
            time.sleep(2.0)  # a sample can be read a second after it came in
            probe = names[:: max(1, len(names) // 20)]
            counts = [_samples(port, name, start, end) for name in probe]
        finally:
            process.terminate()
            process.wait(30)
    return Figure(round(sum(counts) / len(counts) * len(names)), cpu_s)


def _samples(port: int, name: str, start: datetime, end: datetime) -> int:
    query = f"pv={name}&from={start:%Y-%m-%dT%H:%M:%S.%fZ}&to={end:%Y-%m-%dT%H:%M:%S.%fZ}"
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/retrieval/data/getData.json?{query}") as reply:
            found = json.load(reply)
    except OSError:
        return 0  # not up yet
    data = found[0]["data"] if found else []  # begins with the sample before
    return sum(sample["secs"] + sample["nanos"] * 1e-9 >= start.timestamp() for sample in data)


def _tree_cpu(pid: int) -> float:
    root = psutil.Process(pid)
    total = 0.0
    for process in (root, *root.children(recursive=True)):
        times = process.cpu_times()
        total += times.user + times.system + times.children_user + times.children_system
    return total


# -- the run ----------------------------------------------------------------------------------------------------------


@contextmanager
def load(options: argparse.Namespace) -> Iterator[None]:
    """The EPICS Base records, in a process of their own, on a port of their own."""
    port, repeater = _free_port(), _free_port()
    os.environ |= {
        "EPICS_CA_SERVER_PORT": str(port),
        "EPICS_CA_REPEATER_PORT": str(repeater),
        "EPICS_CA_ADDR_LIST": "127.0.0.1",
        "EPICS_CA_AUTO_ADDR_LIST": "NO",
        "EPICS_CAS_INTF_ADDR_LIST": "127.0.0.1",
    }
    command = [sys.executable, str(HERE / "base_load.py"), "--prefix", PREFIX]
    command += ["--records", str(options.records), "--rate", str(options.rate)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout is not None
    try:
        assert "ready\n" in process.stdout  # reads up to there
        yield
    finally:
        process.kill()
        process.communicate()


def _names(records: int) -> list[str]:
    return [f"{PREFIX}{index}" for index in range(records)]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def report(figures: dict[str, list[Figure]], expected: float) -> None:
    """Medians over the rounds, and ratios to pyepics within each round."""
    print(f"{'client':<12}{'events':>9}{'of due':>8}{'CPU µs/event':>14}{'events/CPU s':>14}   ratio to pyepics (each round)")
    for client, rounds in figures.items():
        ratios = [figure.per_cpu_s / other.per_cpu_s for figure, other in zip(rounds, figures["pyepics"], strict=True)]
        events, rate = median(figure.events for figure in rounds), median(figure.per_cpu_s for figure in rounds)
        line = f"{client:<12}{events:>9.0f}{events / expected:>8.1%}{1e6 / rate:>14.3f}{rate:>14.0f}"
        print(f"{line}   {median(ratios):.1f} ({' '.join(f'{ratio:.1f}' for ratio in ratios)})")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=2000)
    parser.add_argument("--rate", type=float, default=10.0, help="updates of each record, hertz")
    parser.add_argument("--seconds", type=float, default=10.0, help="length of a window")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--interval", type=float, default=0.25, help="seconds between two drains of the capture")
    parser.add_argument("--without-archiver", action="store_true")
    parser.add_argument("--client", choices=sorted(CLIENTS), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.client:
        figure = CLIENTS[options.client](_names(options.records), options.seconds, options.interval)
        print(json.dumps({"events": figure.events, "cpu_s": figure.cpu_s}), flush=True)
        os._exit(0)  # callbacks of pyepics may crash an interpreter that goes down
    print(describe_machine("epicscorelibs", "pyepics", "numpy"))
    print(f"{options.records} records of EPICS Base at {options.rate:g} Hz, windows of {options.seconds:g} s")
    figures: dict[str, list[Figure]] = {}
    with load(options):
        for _ in range(options.rounds):
            for client in ("pyepics", "capture"):
                figures.setdefault(client, []).append(run_client(client, options))
            if not options.without_archiver:
                figures.setdefault("archiver", []).append(run_archiver(options))
    report(figures, options.records * options.rate * options.seconds)


if __name__ == "__main__":
    main()
