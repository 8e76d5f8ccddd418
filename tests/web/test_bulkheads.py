"""A source that hangs costs what comes from it and nothing else; both sides are real processes."""

import asyncio
import json
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil
import pytest

from sipmdcs.clock import ManualClock, SystemClock
from sipmdcs.site import HttpService
from sipmdcs.supervise.processes import marked_processes
from tests.postgresql import PostgresServer
from tests.system.installation import wait_until
from tests.web.conftest import PORTS, WebSite, make_site
from tests.web.seed import CHANNEL, fill
from web.bulkhead import Bulkhead, NoAnswer
from web.errors import ApiError
from web.pools import Pool, Pools
from web.upstream import Refused, Upstream

ARCHIVED = f"/api/v1/archive?filter[pv][EQ]={CHANNEL}:TEMP_RBV"
OTHERS = ("/health", "/api/v1/runs", "/", "/api/v1/channels", "/api/v1/channels/meta", "/openapi.json", "/icon.svg")
"""What does not come from the archiver."""


def _listens(process: psutil.Process, port: int) -> bool:
    return process.name() == "postgres" and f"{port}" in process.cmdline()


@contextmanager
def stopped(pids: list[int]) -> Iterator[None]:
    """SIGSTOP for a while: the kernel goes on taking connections for them."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def many_askers() -> httpx.Client:
    """Any thread may ask."""
    return httpx.Client(timeout=60, trust_env=False, limits=httpx.Limits(max_connections=30))


def pid_of(site: WebSite, service: str) -> int:
    rows = json.loads(site.sipmdcs("status", "--json").stdout)
    found = next(row for row in rows["services"] if row["name"] == service)
    return int(found["pid"])


def keeper_of(site: WebSite) -> int:
    """Stopped first, so that it does not end and start again what is made to hang."""
    return next(found.process.pid for found in marked_processes(site.folder) if found.program == "keeper")


AT_ONCE_S = 8.0
"""What a loaded machine keeps as well, and less than the 10 s of silence after which a question is given up."""


def others_are_served(site: WebSite) -> None:
    for path in OTHERS:
        begin = time.monotonic()
        reply = site.http.get(path)
        assert reply.status_code < 500, (path, reply.text)
        assert time.monotonic() - begin < AT_ONCE_S, path


@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    ("service", "name", "asked_of_it"),
    [
        (
            "archiver",
            "the archiver",
            [ARCHIVED, "/api/v1/pvs", "/jsonapi/v1/pvs", "/jsonapi/v1/channels?include=pvs&page[limit]=1"],
        ),
        ("alarms", "the alarm service", ["/api/v1/alarms", "/jsonapi/v1/alarmevents", "/jsonapi/v1/channels?include=alarms"]),
    ],
)
def test_a_service_that_hangs(detector: WebSite, service: str, name: str, asked_of_it: list[str]) -> None:
    hanging = [keeper_of(detector), pid_of(detector, service)]
    with many_askers() as http, stopped(hanging), ThreadPoolExecutor(24) as pool:
        asked = [pool.submit(http.get, f"{detector.url}{path}") for path in asked_of_it * 5]
        time.sleep(0.3)
        others_are_served(detector)
        replies = [future.result() for future in asked]
        assert {reply.status_code for reply in replies} == {503}
        others_are_served(detector)
        wait_until(lambda: detector.http.get("/health").json()["sources"][service].startswith("away since "), 30, "it is known")

        begin = time.monotonic()
        refused = detector.http.get(asked_of_it[0])
        assert time.monotonic() - begin < AT_ONCE_S, "who comes later does not wait for it"
        detail = refused.json()["errors"][0]["detail"]
        assert detail.startswith(f"{name} does not answer since 20")
        assert f"it is asked again in {refused.headers['retry-after']} s" in detail
    wait_until(lambda: detector.http.get(asked_of_it[0]).status_code == 200, 30, "it is back by itself")
    wait_until(lambda: detector.http.get("/health").json()["sources"][service] == "ok", 10, "and known to be")


@pytest.mark.timeout(180)
def test_a_database_server_that_hangs(
    postgresql_to_stop: PostgresServer, tmp_path: Path, free_ports: Callable[[int], list[int]]
) -> None:
    site = make_site(tmp_path / "site", free_ports(len(PORTS)), database=postgresql_to_stop.url)
    site.make_versions()
    fill(postgresql_to_stop.url)
    with site.serving(), many_askers() as http:
        assert site.http.get("/api/v1/runs").status_code == 200
        server = next(item for item in psutil.process_iter() if _listens(item, postgresql_to_stop.port))
        with stopped([server.pid, *(child.pid for child in server.children(recursive=True))]), ThreadPoolExecutor(20) as pool:
            asked = [pool.submit(http.get, f"{site.url}/api/v1/runs") for _ in range(20)]
            for path in ("/health", "/", "/api/v1/channels"):
                begin = time.monotonic()
                assert site.http.get(path).status_code == 200
                assert time.monotonic() - begin < AT_ONCE_S, path
            assert {future.result().status_code for future in asked} == {503}
            assert "the database does not answer since" in site.http.get("/api/v1/runs").json()["errors"][0]["detail"]
        wait_until(lambda: site.http.get("/api/v1/runs").status_code == 200, 30, "the database is back by itself")
    assert "Traceback" not in (site.folder / "web.log").read_text()
    site.http.close()


class Scripted:
    """A server whose every answer is given by a test: bytes, then silence or the end of the connection."""

    def __init__(self, answer: Callable[[str], bytes | None]) -> None:
        self._answer = answer
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.where = HttpService(port=self._listener.getsockname()[1])
        self._kept: list[socket.socket] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self._listener.close()
        for connection in self._kept:
            connection.close()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._kept.append(connection)
            threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection: socket.socket) -> None:
        try:
            while head := connection.recv(65536):
                said = self._answer(head.split(b" ")[1].decode())
                if said is not None:
                    connection.sendall(said)
                    if b"content-length" not in said:
                        connection.close()
                        return
        except OSError:
            return


def reply(body: bytes, status: str = "200 OK") -> bytes:
    return f"HTTP/1.1 {status}\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body


@pytest.mark.parametrize(
    ("script", "error", "away"),
    [
        ({"/x": reply(b"{}")}, None, False),
        ({"/x": reply(b"not JSON")}, "does not answer in JSON", False),
        ({"/x": reply(b'{"error": "too wide\\nsecond line"}', "400 Bad Request")}, "too wide", False),
        ({"/x": reply(b"", "500 Internal Server Error")}, "says 500: Internal Server Error", False),
        ({"/x": None, "/health": reply(b"{}")}, "takes too long over this question", False),
        ({"/x": None, "/health": None}, "does not answer since", True),
        ({"/x": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab"}, "does not answer since", True),
        ({"/x": b"garbage\r\n\r\n"}, "does not answer since", True),
    ],
)
def test_only_a_source_that_is_silent_is_away(
    script: dict[str, bytes | None], error: str | None, away: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("web.upstream._SILENCE_S", 0.3)
    monkeypatch.setattr("web.upstream._PROBE_S", 0.3)
    server = Scripted(lambda path: script.get(path, b""))
    upstream = Upstream(server.where, Bulkhead("it", SystemClock(), 2))
    try:
        if error is None:
            assert upstream.get("/x") == {}
        else:
            with pytest.raises((ApiError, Refused), match=error) as raised:
                upstream.get("/x")
            assert "second line" not in str(raised.value)
        assert upstream.bulkhead.away is away
    finally:
        upstream.close()
        server.close()


def test_a_kept_connection_that_was_closed_is_no_silence() -> None:
    served: list[str] = []

    def answer(path: str) -> bytes:
        served.append(path)
        # Promises to keep the connection, and closes it before the next question, as a service that is started again does.
        return reply(b"1") if len(served) != 2 else b""

    server = Scripted(answer)
    upstream = Upstream(server.where, Bulkhead("it", SystemClock(), 2))
    assert [upstream.get("/x"), upstream.get("/x")] == [1, 1]
    assert len(served) == 3
    upstream.close()
    server.close()


def test_a_question_that_no_url_has_room_for_is_not_asked() -> None:
    upstream = Upstream(HttpService(interface="127.0.0.1", port=1), Bulkhead("it", SystemClock(), 1))
    with pytest.raises(ApiError, match="too long for it") as refused:
        upstream.get("/x", [("pv", ";" * 30_000)])
    assert refused.value.status == 414
    assert upstream.bulkhead.state == "not asked yet"
    upstream.close()


def test_questions_to_a_busy_source_are_bounded_and_refused() -> None:
    bulkhead = Bulkhead("it", SystemClock(), 2)
    busy = pytest.raises(ApiError, match="busy with 2 other questions")
    with bulkhead.question(), bulkhead.question(), busy as refused, bulkhead.question():
        pytest.fail("a third question goes out")
    assert refused.value.headers["Retry-After"]
    assert not bulkhead.away, "busy is not silent"


def test_the_probe_goes_out_while_every_permit_waits() -> None:
    clock = ManualClock()
    bulkhead = Bulkhead("it", clock, 1)
    probed = threading.Event()
    with bulkhead.question():
        bulkhead.watch(probed.set)
        assert probed.wait(30)
    bulkhead.close()


def test_an_error_that_is_no_silence_is_passed_on() -> None:
    bulkhead = Bulkhead("it", ManualClock(), 1)
    with pytest.raises(KeyError), bulkhead.question():
        raise KeyError("x")
    with pytest.raises(ApiError), bulkhead.question():
        raise NoAnswer("does not answer")
    assert bulkhead.state == "away since 2026-01-01T00:00:00Z"
    refused = pytest.raises(ApiError, match=r"it does not answer since 2026-01-01T00:00:00Z; it is asked again in 2 s")
    with refused, bulkhead.question():
        pytest.fail("nothing is asked of a source that is known to be silent")


async def test_a_client_leaves_a_place_for_another() -> None:
    pools, gate = Pools(), threading.Event()
    started = threading.Semaphore(0)

    def work() -> str:
        started.release()
        assert gate.wait(30)
        return "done"

    greedy = [asyncio.create_task(pools.run(Pool.ARCHIVER, "a", work)) for _ in range(3 * Pool.ARCHIVER.threads)]
    for _ in range(Pool.ARCHIVER.threads - 1):
        await asyncio.to_thread(started.acquire)
    assert await asyncio.wait_for(pools.run(Pool.ARCHIVER, "b", lambda: "served"), 30) == "served"
    assert not started.acquire(blocking=False), "and has no more than its share"
    gate.set()
    assert await asyncio.gather(*greedy) == ["done"] * len(greedy)
    assert not vars(pools)["_shares"], "nothing is kept of clients that are gone"


async def test_who_waits_too_long_for_a_thread_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("web.pools.QUEUE_S", 0.2)
    pools, gate = Pools(), threading.Event()
    busy = [asyncio.create_task(pools.run(Pool.LARGE, client, lambda: gate.wait(30))) for client in "ab"]
    await asyncio.sleep(0)
    with pytest.raises(ApiError, match="2 requests that need large pages") as refused:
        await pools.run(Pool.LARGE, "c", lambda: True)
    assert refused.value.status == 503
    assert await pools.run(Pool.LIVE, "c", lambda: True), "of another source nobody waits"
    gate.set()
    assert await asyncio.gather(*busy) == [True, True]
    assert await pools.run(Pool.LARGE, "c", lambda: True)
