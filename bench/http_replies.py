"""Time of a reply on a kept-alive connection, of every HTTP service, beside a bare uvicorn application in the same run.

    python bench/http_replies.py [--requests 2000]

Each service of a small site answers in a process of its own, without IOCs; one client asks over a raw socket each, one request
after the other. ``/health`` is the edge alone; the second path goes through the routes. The peer answers at once, and through
a thread, with which the paths are compared that are answered in one. All take turns of a hundred requests, so that a bad minute
of the machine is in every figure. Times are milliseconds as the client sees them.
"""

from __future__ import annotations

import argparse
import contextlib
import random
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import yaml

PROJECT = Path(__file__).parents[1]
PATHS = {
    "archiver": ("/health", "/mgmt/bpl/getAllPVs"),
    "alarms": ("/health", "/active"),
    "logbook": ("/health", "/runs"),
    "web": ("/health", "/api/v1/version"),
}
THREADED = {"/mgmt/bpl/getAllPVs", "/runs"}
"""Paths that are answered in a thread."""
SETTLE_S = 5.0
"""Services that have just started do other things besides."""
TURN = 100
"""Requests to one path before the next has its turn."""
Target = tuple[str, int, str]
"""A name, a port, and a path."""
PEER = """
import asyncio, sys, uvicorn
async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    if scope["path"] == "/thread":
        await asyncio.to_thread(int)
    head = [(b"content-type", b"application/json"), (b"content-length", b"2")]
    await send({"type": "http.response.start", "status": 200, "headers": head})
    await send({"type": "http.response.body", "body": b"{}"})
uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), http="httptools", lifespan="off", access_log=False, log_level="error")
"""


def main() -> int:
    """Measure and print; the exit status is 0."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--requests", type=int, default=2000)
    count: int = parser.parse_args().requests
    peer, *ports = random.sample(range(10_000, 32_000), 8)
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as processes:
        site = make_site(Path(name) / "site", ports)
        program = [str(Path(sys.executable).with_name("sipmdcs")), "--site", str(site)]
        for command in (("import", "--channels", "channels.csv"), ("render",)):
            subprocess.run([*program, "config", *command], cwd=site, check=True, capture_output=True)
        start(processes, [sys.executable, "-c", PEER, str(peer)])
        for service in PATHS:
            start(processes, [*program, service])
        targets = [("bare uvicorn", peer, "/"), ("bare uvicorn, by a thread", peer, "/thread")]
        for (service, paths), port in zip(PATHS.items(), ports[3:], strict=True):
            targets += [(f"{service} {path}", port, path) for path in paths]
        report(targets, measure(targets, count))
    return 0


def make_site(folder: Path, ports: list[int]) -> Path:
    """The smallest example on free ports."""
    shutil.copytree(PROJECT / "examples" / "minimal", folder, ignore=shutil.ignore_patterns("var"))
    site = yaml.safe_load((folder / "site.yaml").read_text("utf-8"))
    server, repeater, memcached, *http = ports
    site |= {"channel_access": {"server_port": server, "repeater_port": repeater}, "memcached": {"port": memcached}}
    site |= {name: {"port": port} for name, port in zip(PATHS, http, strict=True)}
    site["services"] = list(PATHS)
    (folder / "site.yaml").write_text(yaml.safe_dump(site), "utf-8")
    return folder


def start(processes: contextlib.ExitStack, command: list[str]) -> None:
    """Run a command until the end of the benchmark."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    processes.callback(process.wait)
    processes.callback(process.terminate)


def measure(targets: list[Target], count: int) -> list[list[float]]:
    """Seconds of each reply, by target."""
    for _, port, _ in targets:
        wait_for(lambda port=port: socket.create_connection(("127.0.0.1", port), timeout=30)).close()
    time.sleep(SETTLE_S)
    with contextlib.ExitStack() as stack:
        connections = [stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=30)) for _, port, _ in targets]
        times: list[list[float]] = [[] for _ in targets]
        for _ in range(max(count // TURN, 1)):
            for connection, (_, _, path), taken in zip(connections, targets, times, strict=True):
                ask(connection, path)
                taken += [ask(connection, path) for _ in range(TURN)]
    return times


def report(targets: list[Target], times: list[list[float]]) -> None:
    """Print one line each, with the ratio of its p99 to that of the peer."""
    found = [(statistics.median(taken), statistics.quantiles(taken, n=100)[98]) for taken in times]
    print(f"{'ms':34}{'p50':>8}{'p99':>8}{'of the peer':>13}")
    for (name, _, path), (p50, p99) in zip(targets, found, strict=True):
        of_peer = p99 / found[path in THREADED or path == "/thread"][1]
        print(f"{name:34}{p50 * 1e3:8.2f}{p99 * 1e3:8.2f}{of_peer:11.1f} x")


def ask(connection: socket.socket, path: str) -> float:
    """Seconds from a request to the end of its reply."""
    begun = time.perf_counter()
    connection.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
    said = b""
    while b"\r\n\r\n" not in said:
        said += received(connection)
    head, _, body = said.partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200 "):
        raise ValueError(f"{path}: {head[:60]!r}")
    length = next(int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
    size = len(body)
    while size < length:
        size += len(received(connection))
    return time.perf_counter() - begun


def received(connection: socket.socket) -> bytes:
    """The next bytes of a reply."""
    part = connection.recv(65_536)
    if not part:
        raise ConnectionError("the service closed the connection")
    return part


def wait_for(connect: Callable[[], socket.socket]) -> socket.socket:
    """A connection, once somebody listens."""
    end = time.monotonic() + 120
    while True:
        try:
            return connect()
        except ConnectionRefusedError:
            if time.monotonic() > end:
                raise
            time.sleep(0.1)


if __name__ == "__main__":
    sys.exit(main())
