"""An IOC of ours against one of EPICS Base, side by side: start from a flat database file, and monitors added and cancelled.

    python bench/ioc_base.py [--records 10000] [--monitors 8000]

Both serve the same ai records with 16 fields each, from one file without substitutions. Start is from the start of the process
until it accepts a connection; memory of a record is what the resident set of that process has more than with 10 records, per
record. Monitors are of one PV on one circuit: all added and their first events received, then all cancelled; a raw client.
The two take turns; the median of ``--turns`` counts. Processor time is that of the server.
"""

from __future__ import annotations

import argparse
import os
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import psutil
from ioc_startup import FIELDS, free_port, name
from machine import describe_machine

TARGETS = {"start": 2.0, "memory of a record": 1.5, "monitors": 2.0}
FEW = 10
SERVERS = {
    "base": [sys.executable, "-m", "epicscorelibs.ioc", "-d"],
    "ours": [sys.executable, "-m", "sipmdcs", "ioc", "--db"],
}
HEADER = struct.Struct(">HHHHII")


def database(records: int) -> str:
    fields = " ".join(f'field({field}, "{value}")' for field, value in FIELDS.items())
    return "".join(f'record(ai, "{name(index)}") {{ {fields} }}\n' for index in range(records))


@contextmanager
def server(kind: str, file: Path, port: int) -> Iterator[tuple[psutil.Process, float]]:
    """The running server and the seconds that it took to accept a connection."""
    environment = os.environ | {
        "EPICS_CA_SERVER_PORT": str(port),
        "EPICS_CAS_SERVER_PORT": str(port),
        "EPICS_CAS_INTF_ADDR_LIST": "127.0.0.1",
        "EPICS_CAS_BEACON_ADDR_LIST": "127.0.0.1",
        "EPICS_CAS_AUTO_BEACON_ADDR_LIST": "NO",
    }
    start = time.perf_counter()
    process = psutil.Popen(
        [*SERVERS[kind], str(file)],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        while True:
            if process.poll() is not None:
                raise SystemExit(f"{kind} did not start")
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except OSError:
                time.sleep(0.005)
        yield process, time.perf_counter() - start
    finally:
        process.kill()
        process.wait()


def receive(sock: socket.socket, command: int, count: int) -> list[tuple[int, ...]]:
    """The headers of the next ``count`` messages of a kind."""
    found: list[tuple[int, ...]] = []
    data = b""
    while len(found) < count:
        data += sock.recv(1 << 20)
        position = 0
        while position + 16 <= len(data) and position + 16 + (header := HEADER.unpack_from(data, position))[1] <= len(data):
            position += 16 + header[1]
            if header[0] == command:
                found.append(header)
        data = data[position:]
    return found


def exchange(sock: socket.socket, requests: bytes, count: int) -> float:
    """Seconds until ``count`` events have come back."""
    start = time.perf_counter()
    sender = threading.Thread(target=sock.sendall, args=(requests,))
    sender.start()
    receive(sock, 1, count)
    sender.join()
    return time.perf_counter() - start


def monitors(process: psutil.Process, port: int, count: int) -> tuple[float, float, float]:
    """Seconds to add and to cancel, and seconds of the server's processor."""
    with socket.create_connection(("127.0.0.1", port)) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        text = name(0).encode()
        text += bytes(8 - len(text) % 8)
        sock.sendall(HEADER.pack(0, 0, 0, 13, 0, 0) + HEADER.pack(18, len(text), 0, 0, 1, 13) + text)
        sid = receive(sock, 18, 1)[0][5]
        mask = struct.pack(">12xHxx", 5)
        add = b"".join(HEADER.pack(1, 16, 20, 0, sid, number) + mask for number in range(count))
        cancel = b"".join(HEADER.pack(2, 0, 20, 0, sid, number) for number in range(count))
        before = sum(process.cpu_times()[:2])
        added, cancelled = exchange(sock, add, count), exchange(sock, cancel, count)
        return added, cancelled, sum(process.cpu_times()[:2]) - before


def measure(kind: str, folder: Path, records: int, count: int) -> dict[str, float]:
    """Seconds and bytes of one server."""
    with server(kind, folder / f"{FEW}.db", free_port()) as (process, _):
        few = process.memory_info().rss
    port = free_port()
    with server(kind, folder / f"{records}.db", port) as (process, seconds):
        used = sum(process.cpu_times()[:2])
        memory = (process.memory_info().rss - few) / (records - FEW)
        added, cancelled, busy = monitors(process, port, count)
    return {
        "start": seconds,
        "start, processor": used,
        "memory of a record": memory,
        "monitors": added + cancelled,
        "added": added,
        "cancelled": cancelled,
        "monitors, processor": busy,
    }


def main() -> None:
    """Measure both by turns and print what came out."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=10_000)
    parser.add_argument("--monitors", type=int, default=8_000)
    parser.add_argument("--turns", type=int, default=3)
    options = parser.parse_args()
    print(describe_machine("epicscorelibs"), f"load {os.getloadavg()[0]:.1f}")
    results: dict[str, list[dict[str, float]]] = {kind: [] for kind in SERVERS}
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        for count in (FEW, options.records):
            (folder / f"{count}.db").write_text(database(count))
        for _ in range(options.turns):
            for kind in SERVERS:
                results[kind].append(measure(kind, folder, options.records, options.monitors))
    for what in results["base"][0]:
        theirs, mine = (median(turn[what] for turn in results[kind]) for kind in ("base", "ours"))
        unit = "B" if what == "memory of a record" else "s"
        target = f" (to reach: {TARGETS[what]:g})" if what in TARGETS else ""
        print(f"{what}: EPICS Base {theirs:.3f} {unit}, ours {mine:.3f} {unit}: {mine / max(theirs, 1e-9):.2f} times{target}")


if __name__ == "__main__":
    main()
