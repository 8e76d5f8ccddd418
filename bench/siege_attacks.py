"""What an enemy sends to a site for a while: run by ``siege.py`` in a process of its own.

    python bench/siege_attacks.py SITE_FOLDER SECONDS

Every attack stays on loopback and ends by itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import resource
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path

import yaml

HTTP = ("archiver", "alarms", "logbook", "web")
HOST = "127.0.0.1"
CROWD = 300
"""Connections that one flood holds at a time; several floods go on side by side."""
BODY_BYTES = 300_000_000
PATHS = {
    "archiver": [
        "/retrieval/bpl/getMatchingPVs?regex=([A-Z0-9_:]%2B)*!",
        "/mgmt/bpl/getAllPVs?pv=*a*a*a*a*a*a*a*a*b",
        "/retrieval/data/getData.json?pv=optimized_2000(.*)&from=1970-01-01T00:00:00Z",
        "/retrieval/data/getData.json?" + "&".join(f"pv=X{n}" for n in range(500)),
    ],
    "alarms": ["/tree", "/history?of=" + "A/" * 2000, "/pages?limit=999999999999999999999"],
    "logbook": ["/runs?limit=-1", "/runs/" + "9" * 400, "/runs?type=" + "%00" * 300],
    "web": [
        "/api/v1/pvs?filter[pv][LK]=%25a%25a%25a%25a%25b&page[limit]=100000",
        "/api/v1/channels?page[limit]=100000",
        "/%2e%2e/%2e%2e/etc",
    ],
}
HALVES = [b"GET / HT", b"POST /runs HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100\r\n\r\n{"]
POSTS = {"archiver": "/mgmt/bpl/archivedPVs", "alarms": "/acknowledge", "logbook": "/runs", "web": "/api/v1/runs"}


class Enemy:
    """All attacks on one site."""

    def __init__(self, folder: Path, seconds: float) -> None:
        site = yaml.safe_load((folder / "site.yaml").read_text("utf-8"))
        self.ports = {name: int(site[name]["port"]) for name in HTTP}
        self.channel_access = int(site["channel_access"]["server_port"])
        self.end = time.monotonic() + seconds
        self.done: Counter[str] = Counter()
        self.chance = random.Random(7)

    async def run(self) -> None:
        """All of them, side by side, until the time is over."""
        attacks: dict[str, Callable[[], Awaitable[None]]] = {
            "silent connections": self.silent,
            "half requests": self.half,
            "slow readers": self.slow_readers,
            "hostile patterns": self.patterns,
            "bodies of 300 MB": self.bodies,
            "bad JSON": self.bad_json,
            "garbage": self.garbage,
        }
        async with asyncio.TaskGroup() as group:
            for name, attack in attacks.items():
                group.create_task(self.repeat(name, attack))

    async def repeat(self, name: str, attack: Callable[[], Awaitable[None]]) -> None:
        """One attack again and again; a target that is away or cuts us off is what we came for."""
        while time.monotonic() < self.end:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError, TimeoutError):
                await attack()
            self.done[name] += 1
            await asyncio.sleep(0.2)

    def any_port(self) -> int:
        """A service, or the IOCs."""
        return self.chance.choice([*self.ports.values(), self.channel_access])

    async def connect(self, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Within 5 s, or not."""
        return await asyncio.wait_for(asyncio.open_connection(HOST, port), 5)

    async def silent(self) -> None:
        """Hold connections and say nothing."""
        port = self.any_port()
        found = await asyncio.gather(*(self.connect(port) for _ in range(CROWD)), return_exceptions=True)
        await asyncio.sleep(5)
        for one in found:
            if not isinstance(one, BaseException):
                one[1].transport.abort()

    async def half(self) -> None:
        """Begin requests and stop."""
        port = self.chance.choice([*self.ports.values()])
        writers = []
        for _ in range(100):
            _, writer = await self.connect(port)
            writer.write(self.chance.choice(HALVES))
            writers.append(writer)
        await asyncio.sleep(5)
        for writer in writers:
            writer.transport.abort()

    async def slow_readers(self) -> None:
        """Ask for much and read nothing."""
        writers = []
        for _ in range(40):
            _, writer = await self.connect(self.ports["web"])
            writer.write(b"GET /api/v1/pvs?page[limit]=100000 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" * 3)
            writers.append(writer)
        await asyncio.sleep(15)
        for writer in writers:
            writer.transport.abort()

    async def patterns(self) -> None:
        """Patterns and paths that cost a careless server its life."""
        for name, paths in PATHS.items():
            for path in paths:
                request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
                await self.ask(self.ports[name], request.encode())

    async def bodies(self) -> None:
        """A body of 300 MB."""
        name = self.chance.choice(HTTP)
        reader, writer = await self.connect(self.ports[name])
        head = f"POST {POSTS[name]} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        writer.write(f"{head}Content-Length: {BODY_BYTES}\r\n\r\n".encode())
        try:
            for _ in range(BODY_BYTES // 1_000_000):
                writer.write(b" " * 1_000_000)
                await asyncio.wait_for(writer.drain(), 10)
            await asyncio.wait_for(reader.read(4096), 10)
        finally:
            writer.transport.abort()

    async def bad_json(self) -> None:
        """Bodies that are not what they say."""
        bodies = [b"[" * 50_000, b'{"select": ["*"], "user": "\xe9"}', b'{"n": ' + b"9" * 5000 + b"}", b"NaN", b'{"a":1,"a":2}']
        for name, path in POSTS.items():
            for body in bodies:
                head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Type: application/json\r\n"
                await self.ask(self.ports[name], f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)

    async def garbage(self) -> None:
        """Random bytes, to Channel Access as well."""
        await self.ask(self.any_port(), self.chance.randbytes(self.chance.randrange(1, 5000)))

    async def ask(self, port: int, request: bytes) -> None:
        """One request and the beginning of its answer."""
        reader, writer = await self.connect(port)
        try:
            writer.write(request)
            await asyncio.wait_for(reader.read(65_536), 20)
        finally:
            writer.transport.abort()


def main() -> None:
    """Attack."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192), hard))
    enemy = Enemy(Path(sys.argv[1]), float(sys.argv[2]))
    asyncio.run(enemy.run())
    print(json.dumps(enemy.done))


if __name__ == "__main__":
    main()
