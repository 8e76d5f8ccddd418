"""The four services behind the edge, as processes of one site: what strangers and enemies send them."""

import json
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
import pytest
import yaml

from tests.sipmdcs.http.edge_thread import answer_of

PROJECT = Path(__file__).parents[3]
SERVICES = ("archiver", "alarms", "logbook", "web")
READING = {"archiver": "/mgmt/bpl/getAllPVs", "alarms": "/active", "logbook": "/runs", "web": "/api/v1/channels"}
"""What each is asked for."""
ACTING = {
    "archiver": "/mgmt/bpl/archivedPVs", "alarms": "/acknowledge", "logbook": "/runs", "web": "/api/v1/runs",
}  # fmt: skip
"""Where each takes a POST; the last takes none."""


@dataclass(frozen=True)
class Running:
    name: str
    port: int
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def client(self) -> httpx.Client:
        return httpx.Client(base_url=self.url, timeout=30, trust_env=False)

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=60)

    def answers(self) -> bool:
        try:
            return httpx.get(f"{self.url}/health", timeout=5, trust_env=False).status_code == 200
        except httpx.TransportError:
            return False

    @property
    def memory_MB(self) -> float:
        return psutil.Process(self.process.pid).memory_info().rss / 1e6


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory, free_ports: Callable[[int], list[int]]) -> Iterator[dict[str, Running]]:
    folder = tmp_path_factory.mktemp("edge") / "site"
    shutil.copytree(PROJECT / "examples" / "minimal", folder, ignore=shutil.ignore_patterns("var"))
    site = yaml.safe_load((folder / "site.yaml").read_text("utf-8"))
    server, repeater, memcached, *ports = free_ports(3 + len(SERVICES))
    site |= {"channel_access": {"server_port": server, "repeater_port": repeater}, "services": list(SERVICES)}
    site |= {"memcached": {"port": memcached}} | {name: {"port": port} for name, port in zip(SERVICES, ports, strict=True)}
    site["http"] = {"hosts": ["dcs.example.org"]}
    (folder / "site.yaml").write_text(yaml.safe_dump(site), "utf-8")
    program = [str(Path(sys.executable).with_name("sipmdcs")), "--site", str(folder)]
    for command in (("import", "--channels", "channels.csv"), ("render",)):
        done = subprocess.run(
            [*program, "config", *command], capture_output=True, text=True, timeout=120, cwd=folder, check=False
        )
        assert done.returncode == 0, done.stderr
    started: dict[str, Running] = {}
    try:
        for name, port in zip(SERVICES, ports, strict=True):
            log = folder / f"{name}.log"
            with log.open("wb") as file:
                process = subprocess.Popen([*program, name], stdout=file, stderr=file)
            started[name] = Running(name, port, process, log)
        for service in started.values():
            wait_until(lambda: service.answers() or service.process.poll() is not None, 90, f"{service.name} answers")  # noqa: B023
            assert service.process.poll() is None, service.log.read_text()
        yield started
    finally:
        for service in started.values():
            service.process.terminate()
        for service in started.values():
            service.process.wait(30)


@pytest.fixture(params=SERVICES)
def service(request: pytest.FixtureRequest, services: dict[str, Running]) -> Iterator[Running]:
    """Each of them; it is alive and well afterwards, and its log has no traceback."""
    found = services[request.param]
    yield found
    assert found.process.poll() is None
    assert found.answers()
    assert "Traceback" not in found.log.read_text()


def line_of(service: Running, reply: httpx.Response) -> str:
    """The one line of an error, in the dialect of the service."""
    found = reply.json()
    text = found["errors"][0]["detail"] if service.name == "web" else found["error"]
    assert text
    assert "\n" not in text
    return text


JSON = {"Content-Type": "application/json"}
EVIL = {"Origin": "http://evil.example"}


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (JSON | EVIL | {"Host": "evil.example"}, 421),
        (JSON | EVIL, 403),
        (JSON | {"Origin": "null"}, 403),
        (JSON | {"Sec-Fetch-Site": "cross-site"}, 403),
    ],
)
def test_a_page_of_a_stranger_changes_nothing(service: Running, headers: dict[str, str], status: int) -> None:
    body = {"select": ["*"], "user": "x", "request_key": "evil", "partition": "MAIN", "type": "physics", "who": "x"}
    with service.client() as client:
        reply = client.post(ACTING[service.name], content=json.dumps(body), headers=headers)
        assert reply.status_code == status
        assert line_of(service, reply)
        if service.name == "logbook":
            assert client.get("/runs").json() == []


def test_reading_under_a_rebound_name_is_refused_and_under_a_name_of_the_site_is_not(service: Running) -> None:
    with service.client() as client:
        assert client.get(READING[service.name], headers={"Host": "evil.example"}).status_code == 421
        assert client.get(READING[service.name], headers={"Host": "dcs.example.org"}).status_code == 200
        reply = client.get(READING[service.name], headers=EVIL)
        assert reply.status_code == 200
        assert not [name for name in reply.headers if name.startswith("access-control")]


BODIES: list[tuple[str, bytes, dict[str, str], int]] = [
    ("nested deeply", b"[" * 50_000, JSON, 400),
    ("nested in objects", b'{"select":' * 2_000 + b"1" + b"}" * 2_000, JSON, 400),
    ("Latin-1", '{"select": ["é"], "who": "é"}'.encode("latin-1"), JSON, 400),
    ("a number of 5,000 digits", b'{"select": ' + b"9" * 5_000 + b"}", JSON, 400),
    ("a number beyond all", b'{"select": 1e999}', JSON, 400),
    ("NaN", b'{"select": NaN}', JSON, 400),
    ("a key twice", b'{"user": "a", "user": "b"}', JSON, 400),
    ("half a surrogate pair", b'{"select": ["\\ud800"], "user": "x", "who": "x"}', JSON, 400),
    ("nothing", b"{", JSON, 400),
    ("compressed", b"{}", JSON | {"Content-Encoding": "gzip"}, 415),
]


@pytest.mark.parametrize(("what", "body", "headers", "status"), BODIES, ids=[what for what, *_ in BODIES])
def test_bodies_that_are_not_json(service: Running, what: str, body: bytes, headers: dict[str, str], status: int) -> None:
    with service.client() as client:
        reply = client.post(ACTING[service.name], content=body, headers=headers)
        assert reply.status_code == (405 if service.name == "web" else status), reply.text
        assert line_of(service, reply)


def test_a_machine_without_room_for_a_thread_costs_nothing_that_goes_on(service: Running) -> None:
    process = psutil.Process(service.process.pid)
    room = process.memory_info().vms + 4_000_000  # a thread takes 8
    process.rlimit(psutil.RLIMIT_AS, (room, psutil.RLIM_INFINITY))
    try:
        with service.client() as client, ThreadPoolExecutor(20) as visitors:
            replies = [*visitors.map(lambda _: client.get(READING[service.name]), range(40))]
        assert {reply.status_code for reply in replies} <= {200, 503}
        assert any(reply.is_success for reply in replies)
        assert all(line_of(service, reply).endswith("try again") for reply in replies if not reply.is_success)
    finally:
        process.rlimit(psutil.RLIMIT_AS, (psutil.RLIM_INFINITY, psutil.RLIM_INFINITY))


@pytest.mark.parametrize("framing", ["length", "chunks"])
def test_a_body_of_300_MB_is_refused_while_it_comes_in_and_memory_stays_flat(service: Running, framing: str) -> None:
    before, most, size = service.memory_MB, 0.0, 300_000_000
    how = f"Content-Length: {size}" if framing == "length" else "Transfer-Encoding: chunked"
    piece = b"x" * 1_000_000
    with service.connect() as connection:
        connection.sendall(f"POST {ACTING[service.name]} HTTP/1.1\r\nHost: localhost\r\n{how}\r\n\r\n".encode())
        try:
            for _ in range(size // len(piece)):
                connection.sendall(piece if framing == "length" else b"%x\r\n%b\r\n" % (len(piece), piece))
                most = max(most, service.memory_MB)
        except (BrokenPipeError, ConnectionResetError):
            pass  # it has heard enough
        said = answer_of(connection)
    assert said.startswith(b"HTTP/1.1 413 ")
    assert most - before < 60


@pytest.mark.slow
def test_idle_and_half_sent_requests_are_closed(services: dict[str, Running]) -> None:
    half = [
        b"",
        b"GET / HT",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nx",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nX: half a trailer",
        b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ]
    open_ = []
    for service in services.values():
        for request in half * 40:
            connection = service.connect()
            connection.sendall(request)
            open_.append(connection)
    with ThreadPoolExecutor(32) as pool:
        list(pool.map(answer_of, open_))  # each ends, or its time-out of a minute fails the test
    for connection in open_:
        connection.close()


STRANGE: list[tuple[str, bytes, int]] = [
    ("HEAD", b"HEAD %b HTTP/1.1\r\n", 200),
    ("HTTP/1.0", b"GET %b HTTP/1.0\r\n", 200),
    ("absolute form", b"GET http://localhost%b HTTP/1.1\r\n", 200),
    ("absolute form of another host", b"GET http://localhost@evil.example%b HTTP/1.1\r\n", 421),
    ("WebSocket", b"GET %b HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n", 200),
    ("thousands of fields", b"GET %b HTTP/1.1\r\n" + b"a:\r\n" * 12_000, 200),
    ("more fields than fit", b"GET %b HTTP/1.1\r\n" + b"a:\r\n" * 14_000, 431),
    ("a long identity of a site", b"GET %b HTTP/1.1\r\nX-Sipmdcs-Site: " + b"%%" * 60_000 + b"\r\n", 421),
    ("percent signs", b"GET %b/%%zz%%%%1 HTTP/1.1\r\n", 404),
    ("a path out of the site", b"GET /%%2e%%2e/..%%2fetc/passwd?%b HTTP/1.1\r\n", 404),
    ("bytes that are no text", b"GET /%b/%%00%%ff%%c0%%80%%ed%%a0%%80%%0d%%0aX:%%20y HTTP/1.1\r\n", 404),
    ("another host in the path", b"GET //evil.example/%b/ HTTP/1.1\r\n", 404),
    ("TRACE", b"TRACE %b HTTP/1.1\r\n", 405),
    ("a method of its own", b"BREW %b HTTP/1.1\r\n", 400),
]


@pytest.mark.parametrize(("what", "head", "status"), STRANGE, ids=[what for what, _, _ in STRANGE])
def test_strange_requests_have_one_reply_each(service: Running, what: str, head: bytes, status: int) -> None:
    if service.name == "web" and what == "a long identity of a site":
        status = 200  # it answers for any
    request = head % READING[service.name].encode() + b"Host: localhost\r\n\r\n"
    health = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"
    ends = status in (400, 431) or what == "HTTP/1.0"
    with service.connect() as connection:
        connection.sendall(request if ends else request + health + request)
        connection.shutdown(socket.SHUT_WR)
        said = answer_of(connection)
    found = [int(code) for code in re.findall(rb"HTTP/1\.1 (\d{3}) ", said)]
    assert found == ([status] if ends else [status, 200, status])
    assert b"evil.example" not in b"".join(re.findall(rb"(?m)^location: .*", said))


PATTERNS = ["([A-Z0-9_:]+)*!", "(((a*)*)*)*b", "(A|A?)+(A|A?)+(A|A?)+!", "(.*)(.*)(.*)(.*)(.*)(.*)(.*)(.*)(.*)!"]


@pytest.mark.parametrize("pattern", PATTERNS)
def test_patterns_that_take_re_for_ever(services: dict[str, Running], pattern: str) -> None:
    with services["archiver"].client() as client:
        for path in ("/retrieval/bpl/getMatchingPVs", "/retrieval/bpl/searchForPVsRegex"):
            assert client.get(path, params={"regex": pattern}).status_code == 200
    with services["web"].client() as client:
        text = "%" + "_%" * 400 + "!"
        assert client.get("/api/v1/channels", params={"filter[name][LIKE]": text}).status_code in (200, 400)


REFUSED = [
    ("(?=a)b", "invalid perl operator"),
    (r"(a)\1", "escape"),
    ("a{1000}{1000}", "repetition"),
    ("x" * 2_000, "the limit is 1,000"),
    ("(", "missing )"),
]


@pytest.mark.parametrize(("pattern", "complaint"), REFUSED)
def test_patterns_that_are_refused(services: dict[str, Running], pattern: str, complaint: str) -> None:
    with services["archiver"].client() as client:
        reply = client.get("/retrieval/bpl/getMatchingPVs", params={"regex": pattern})
        assert (reply.status_code, complaint in reply.json()["error"]) == (400, True), reply.text


def test_metrics_of_every_service(service: Running) -> None:
    with service.client() as client:
        client.get(READING[service.name])
        text = client.get("/metrics").text
    assert f'service="{service.name}"' in text
    for name in (
        "sipmdcs_http_requests_total",
        "sipmdcs_http_request_seconds_bucket",
        "sipmdcs_http_connections_open",
        "process_resident_memory_bytes",
    ):
        assert f"\n{name}" in text
    assert f'route="{READING[service.name]}"' in text


def test_health_is_answered_while_a_service_can_do_nothing_else(service: Running) -> None:
    with service.client() as client:
        found = client.get("/health").json()
    assert found
    if service.name in ("alarms", "logbook"):
        assert found["age_s"] < 30


def test_long_answers_are_compressed(services: dict[str, Running]) -> None:
    with services["web"].client() as client:
        reply = client.get("/openapi.json")
    assert reply.headers["content-encoding"] == "gzip"
    assert int(reply.headers["content-length"]) < len(reply.content) / 8


def links_in(document: object) -> Iterator[str]:
    """Every link, wherever it stands."""
    if isinstance(document, dict):
        for key, value in document.items():
            if key in ("links", "self", "related", "first", "last", "next", "prev") and isinstance(value, str):
                yield value
            yield from links_in(value)
    elif isinstance(document, list):
        for one in document:
            yield from links_in(one)


@pytest.mark.parametrize("path", ["/api/v1/controllers?page[limit]=1", "/jsonapi/v1/channels?page[limit]=2"])
def test_links_stay_below_the_path_of_a_proxy(services: dict[str, Running], path: str) -> None:
    with services["web"].client() as client:
        found = set(links_in(client.get(path, headers={"X-Forwarded-Prefix": "/dcs"}).json()))
        assert len(found) > 3
        assert all(link.startswith("/dcs/") for link in found), found
        for link in found:
            assert client.get(link.removeprefix("/dcs")).status_code == 200
        missing = client.get("/jsonapi/v1/nothing", headers={"X-Forwarded-Prefix": "/dcs"})
        assert (missing.status_code, missing.headers["content-type"]) == (404, "application/vnd.api+json")


def wait_until(condition: Callable[[], bool], timeout: float, what: str) -> None:
    end = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < end, f"not within {timeout} s: {what}"
        time.sleep(0.05)
