"""One connection against a real server: what is too large, too slow or not HTTP, and what a client does not read."""

import asyncio
import errno
import gzip
import json
import socket
import struct
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from http import HTTPStatus

import pytest
from prometheus_client.parser import text_string_to_metric_families
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Scope

from sipmdcs.http.errors import HttpError, exception_handlers
from sipmdcs.http.limits import Limits
from sipmdcs.site import HttpEdge
from tests.sipmdcs.http.edge_thread import Server, answer_of, behind_edge

LIMITS = Limits(
    connections=20, connections_per_address=20, url_bytes=2_000, head_bytes=8_000, body_bytes=1_000, head_s=1.0, body_s=1.0,
    idle_s=1.0, send_s=1.5, linger_s=1.0,
)  # fmt: skip
LINES = b'{"pv": "LAB:BENCH:PS1:CH01:BIAS_RBV", "value": 54.3}\n' * 1_000
sent: list[int] = []


async def echo(request: Request) -> Response:
    return JSONResponse({"size": len(await request.body()), "path": request.url.path, "root": request.scope["root_path"]})


async def endless(request: Request) -> Response:
    async def pieces() -> AsyncIterator[bytes]:
        for number in range(2_000):
            sent.append(number)
            yield b"x" * 100_000

    return StreamingResponse(pieces())


async def lines(request: Request) -> Response:
    async def pieces() -> AsyncIterator[bytes]:
        for at in range(0, len(LINES), 10_000):
            yield LINES[at : at + 10_000]

    return StreamingResponse(pieces(), media_type=request.query_params["type"])


async def halves(request: Request) -> Response:
    async def pieces() -> AsyncIterator[bytes]:
        for half in (b"po", b"ng\n"):
            yield half
            await asyncio.sleep(0)

    return StreamingResponse(pieces())


async def small(request: Request) -> Response:
    return PlainTextResponse("pong\n")


async def slow(request: Request) -> Response:
    await asyncio.sleep(0.1)
    return PlainTextResponse("done\n")


async def broken(request: Request) -> Response:
    raise LookupError("nobody expects this")


APPLICATION = Starlette(
    routes=[
        Route("/echo", echo, methods=["GET", "POST"]),
        Route("/large", echo, methods=["POST"]),
        Route("/endless", endless),
        Route("/lines", lines),
        Route("/halves", halves),
        Route("/small/{name}", small),
        Route("/slow", slow),
        Route("/broken", broken),
    ],
    exception_handlers=dict(exception_handlers({})),
)


async def check(scope: Scope) -> None:
    if (b"authorization", b"stranger") in scope["headers"]:
        raise HttpError(HTTPStatus.UNAUTHORIZED, "a token is needed", {"WWW-Authenticate": "Bearer"})


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    settings = HttpEdge(max_connections=20, max_connections_per_address=20)
    edge = {"body_bytes": {"/large": 50_000_000}, "health": lambda: {"state": "well"}, "check": check}
    with behind_edge(APPLICATION, limits=LIMITS, settings=settings, **edge) as server:
        yield server


def post(path: str, *, size: int, body: bytes, more: bytes = b"") -> bytes:
    return f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {size}\r\n".encode() + more + b"\r\n" + body


def chunked(path: str, *pieces: bytes) -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    return head + b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)


UPGRADE = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"
REFUSED: list[tuple[str, bytes, int]] = [
    ("not HTTP", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
    ("no version", b"GET /\r\n\r\n", 400),
    ("no path", b"GET ?a=b HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
    ("a tunnel", b"CONNECT evil.example:443 HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
    ("no host", b"GET /echo HTTP/1.1\r\n\r\n", 400),
    ("two hosts", b"GET /echo HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n", 400),
    ("another host", b"GET /echo HTTP/1.1\r\nHost: evil.example\r\n\r\n", 421),
    ("another host in the request line", b"GET http://evil.example/echo HTTP/1.1\r\nHost: localhost\r\n\r\n", 421),
    ("a long path", b"GET /" + b"x" * 3_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", 414),
    ("a long field", b"GET /echo HTTP/1.1\r\nHost: localhost\r\nX: " + b"y" * 9_000 + b"\r\n\r\n", 431),
    ("many fields", b"GET /echo HTTP/1.1\r\nHost: localhost\r\n" + b"X: 1\r\n" * 2_000 + b"\r\n", 431),
    ("an endless path", b"GET /" + b"x" * 3_000_000, 414),
    ("an endless field", b"GET /echo HTTP/1.1\r\nHost: localhost\r\nX: " + b"y" * 3_000_000, 431),
    ("an endless name of a field", b"GET /echo HTTP/1.1\r\nHost: localhost\r\n" + b"y" * 3_000_000, 431),
    ("blank lines", b"\r\n" * 1_500_000, 400),
    ("an endless extension of a chunk", chunked("/echo") + b"1;" + b"e" * 3_000_000, 413),
    ("chunks of little more than extensions", chunked("/echo") + (b"1;" + b"e" * 4_000 + b"\r\nx\r\n") * 700, 413),
    ("an endless length of a chunk", chunked("/echo") + b"0" * 3_000_000, 413),
    ("an endless trailer", chunked("/echo", b"x") + b"0\r\nX: " + b"y" * 3_000_000, 413),
    ("many trailers", chunked("/echo", b"x") + b"0\r\n" + b"X: 1\r\n" * 3_000, 431),
    ("a tunnel in a protocol of its own", b"CONNECT localhost:1 HTTP/1.1\r\nHost: localhost\r\n" + UPGRADE + b"\r\n", 400),
    ("a large body in another protocol", post("/echo", size=2_000, body=b"", more=UPGRADE), 413),
    ("another coding", chunked("/echo").replace(b"chunked", b"gzip, chunked") + b"1\r\nx\r\n0\r\n\r\n", 501),
    ("a large body", post("/echo", size=300_000_000, body=b"x" * 3_000_000), 413),
    ("a large body in chunks", chunked("/echo", b"x" * 999, b"x" * 2_000_000), 413),
    ("a length that is none", b"POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: -5\r\n\r\n", 400),
    ("a length beyond all", post("/echo", size=10**30, body=b""), 400),
    ("two lengths", b"POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!", 400),
    ("length and chunks", chunked("/echo").replace(b"\r\n\r\n", b"\r\nContent-Length: 5\r\n\r\n"), 400),
    ("half a head", b"GET /echo HTTP/1.1\r\nHost: loc", 408),
    ("half a body", post("/echo", size=500, body=b"x" * 499), 408),
    ("half a body in chunks", chunked("/echo", b"x" * 999), 408),
    ("half a trailer", chunked("/echo", b"x") + b"0\r\nX: 1", 408),
]  # fmt: skip


@pytest.mark.parametrize(("what", "request_", "status"), REFUSED, ids=[what for what, _, _ in REFUSED])
def test_refusals_are_one_line_of_json_and_the_connection_ends(server: Server, what: str, request_: bytes, status: int) -> None:
    with server.connect() as connection:
        try:
            connection.sendall(request_)
        except (BrokenPipeError, ConnectionResetError):
            pytest.fail("the server closed before it was done answering")
        said = answer_of(connection)
    head, _, body = said.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status), said
    assert list(json.loads(body)) == ["error"]
    assert "\n" not in json.loads(body)["error"]
    assert server.client.get("/echo").status_code == 200


def test_the_limit_of_a_body_is_that_of_its_route(server: Server) -> None:
    body = b"x" * 1_000_000
    assert server.client.post("/large", content=body).json()["size"] == 1_000_000
    assert server.client.post("/large", content=iter([body] * 3)).json()["size"] == 3_000_000
    assert server.client.post("/echo", content=body).status_code == 413
    assert server.client.post("/echo", content=b"x" * 1_000).json()["size"] == 1_000


def test_a_body_may_come_in_chunks_of_one_byte(server: Server) -> None:
    assert server.client.post("/echo", content=iter([b"x"] * 1_000)).json()["size"] == 1_000


def test_a_trailer_is_no_header_field(server: Server) -> None:
    trailers = b"X-Forwarded-Prefix: /evil\r\nHost: evil.example\r\nAuthorization: stranger\r\n"
    with server.connect() as connection:
        connection.sendall(chunked("/echo", b"x") + b"0\r\n" + trailers + b"\r\n" + ECHO)
        connection.shutdown(socket.SHUT_WR)
        said = answer_of(connection)
    assert said.count(b" 200 OK\r\n") == said.count(b'"root":""') == 2, "nor one of the next request"


@pytest.mark.parametrize("body", [b"", b"x" * 9])
def test_a_request_for_another_protocol_is_answered_in_this_one(server: Server, body: bytes) -> None:
    ask = post("/echo", size=len(body), body=body, more=UPGRADE)
    with server.connect() as connection:
        for count in (1, 3):
            connection.sendall((ask + ECHO) * count)
            said = b""
            while said.count(b'"root"') < 2 * count and (part := connection.recv(65_536)):
                said += part
            assert said.count(b'{"size":%d,' % len(body)) >= count
    with server.connect() as connection:
        connection.sendall(ask * 4_000)
        answer_of(connection)
    assert server.client.get("/echo").status_code == 200


def test_a_client_that_asks_first_is_told_before_it_sends(server: Server) -> None:
    with server.connect() as connection:
        head = post("/echo", size=300_000_000, body=b"").replace(b"\r\n\r\n", b"\r\nExpect: 100-continue\r\n\r\n")
        connection.sendall(head)
        assert connection.recv(1000).startswith(b"HTTP/1.1 413 ")


def test_silent_and_idle_connections_are_closed(server: Server) -> None:
    silent, idle = server.connect(), server.connect()
    with silent, idle:
        idle.sendall(b"GET /small/x HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert answer_of(silent) == b""
        assert answer_of(idle).endswith(b"pong\n")


@pytest.mark.parametrize("taken", [0, 1])
@pytest.mark.parametrize("ahead", [0, 4])
def test_a_client_that_does_not_read_is_cut_off_and_its_reply_stops(server: Server, taken: int, ahead: int) -> None:
    """Whether it has sent further requests ahead or not."""
    sent.clear()
    cut = metric(server, "sipmdcs_http_connections_closed_total", reason="reader")
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(("127.0.0.1", server.port))
        connection.sendall(b"GET /endless HTTP/1.1\r\nHost: localhost\r\n\r\n" * (1 + ahead))

        def is_cut() -> bool:
            connection.recv(taken)  # a byte at a time is as good as nothing
            return metric(server, "sipmdcs_http_connections_closed_total", reason="reader") > cut

        wait_until(is_cut)
    wait_until(lambda: metric(server, "sipmdcs_http_requests_in_progress") == 1)  # this one
    assert len(sent) < 500


ECHO = b"GET /echo HTTP/1.1\r\nHost: localhost\r\n\r\n"
ASK = b"GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.mark.parametrize(
    ("said", "replies"),
    [
        (ASK, 1),
        (ASK.replace(b"1.1", b"1.0"), 1),
        (post("/large", size=9, body=b"x" * 9), 1),
        (ASK * 3, 3),
        (ASK + ASK[:9], 1),  # the rest of the second will not come
        (ASK[:9], 0),
        (post("/large", size=9, body=b"x"), 0),
        (b"", 0),
    ],
)
def test_a_client_that_has_said_all_gets_its_replies_and_the_connection_ends(server: Server, said: bytes, replies: int) -> None:
    with server.connect() as connection:
        connection.sendall(said)
        connection.shutdown(socket.SHUT_WR)
        begin = time.monotonic()
        assert answer_of(connection).count(b" 200 OK\r\n") == replies
        assert time.monotonic() - begin < 10


def test_more_connections_than_places_end_the_silent_ones_alone() -> None:
    ask = b"GET /small/x HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with behind_edge(APPLICATION, settings=HttpEdge(max_connections=20)) as server, server.connect() as kept:
        kept.sendall(ask)
        assert until_pong(kept)
        silent = [server.connect() for _ in range(60)]
        try:
            assert server.client.get("/small/y").text == "pong\n"
            kept.sendall(ask)
            assert until_pong(kept)
        finally:
            for connection in silent:
                connection.close()
        assert metric(server, "sipmdcs_http_connections_closed_total", reason="made room") >= 40


def test_requests_sent_ahead_are_answered_in_order_and_bounded(server: Server) -> None:
    ask = b"GET /echo?%d HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with server.connect() as connection:
        connection.sendall(b"".join(ask % number for number in range(20)))
        connection.shutdown(socket.SHUT_WR)
        assert answer_of(connection).count(b"HTTP/1.1 200 ") == 20
    with server.connect() as connection:
        connection.sendall(b"".join(ask % number for number in range(3_000)))
        answer_of(connection)
    assert metric(server, "sipmdcs_http_connections_closed_total", reason="sent ahead") >= 1
    assert server.client.get("/echo").status_code == 200


@pytest.mark.parametrize(
    ("accepted", "kind", "packed"),
    [
        ("gzip", "application/json", True),
        ("br, gzip;q=0.5", "text/csv", True),
        ("*", "application/vnd.api+json", True),
        ("gzip;q=0", "application/json", False),
        ("identity", "application/json", False),
        ("", "application/json", False),
        ("gzip", "text/event-stream", False),
        ("gzip", "application/octet-stream", False),
    ],
)
def test_long_replies_are_compressed_where_that_pays(server: Server, accepted: str, kind: str, packed: bool) -> None:
    with server.client.stream("GET", "/lines", params={"type": kind}, headers={"Accept-Encoding": accepted}) as reply:
        raw = b"".join(reply.iter_raw())
    assert reply.headers.get("content-encoding") == ("gzip" if packed else None)
    assert (gzip.decompress(raw) if packed else raw) == LINES
    assert not packed or (len(raw) < len(LINES) / 10 and "accept-encoding" in reply.headers["vary"].lower())
    assert "content-encoding" not in server.client.get("/small/x").headers


def test_metrics_name_routes_by_their_templates(server: Server) -> None:
    for number in range(50):
        server.client.get(f"/small/{number}")
        server.client.get(f"/nowhere/{number}")
        server.client.request(f"M{number}", "/echo")
    routes = {labels["route"] for labels, _ in samples(server, "sipmdcs_http_requests_total")}
    assert routes <= {
        "/small/{name}",
        "/echo",
        "/large",
        "/endless",
        "/lines",
        "/broken",
        "/slow",
        "unmatched",
        "refused",
        "/metrics",
        "/health",
    }
    assert {labels["method"] for labels, _ in samples(server, "sipmdcs_http_requests_total")} <= {"GET", "POST", "other"}
    assert metric(server, "sipmdcs_http_requests_total", route="/small/{name}", status="200") >= 50
    assert metric(server, "sipmdcs_http_request_seconds_count", route="unmatched") >= 50
    assert metric(server, "process_open_fds") > 3


def test_a_bug_is_told_in_one_line(server: Server) -> None:
    reply = server.client.get("/broken")
    assert (reply.status_code, reply.json()) == (500, {"error": "this is a bug; the log of the service has more"})
    assert metric(server, "sipmdcs_http_requests_total", route="/broken", status="500") == 1


@pytest.mark.parametrize(
    ("error", "lack"),
    [
        (MemoryError(), "memory"),
        (OSError(errno.EMFILE, "Too many open files"), "file descriptors"),
        (OSError(errno.ENOSPC, "No space left on device"), "disk space"),
        (RuntimeError("can't start new thread"), "threads"),
        (RuntimeError("anything else"), None),
        (OSError(errno.EIO, "Input/output error"), None),
    ],
)
def test_a_machine_without_room_is_no_bug(error: Exception, lack: str | None) -> None:
    async def fail(_: Request) -> Response:
        raise error

    application = Starlette(routes=[Route("/", fail)], exception_handlers=dict(exception_handlers({})))
    with behind_edge(application) as server:
        reply = server.client.get("/")
    text = f"no {lack} left for this request; try again" if lack else "this is a bug; the log of the service has more"
    assert (reply.status_code, reply.json()) == (503 if lack else 500, {"error": text})
    assert ("retry-after" in reply.headers) is bool(lack)


@pytest.mark.parametrize("path", ["/echo", "/nowhere", "/metrics", "/health"])
def test_the_check_of_a_token_comes_before_every_route(server: Server, path: str) -> None:
    reply = server.client.get(path, headers={"Authorization": "stranger"})
    assert (reply.status_code, reply.json()) == (401, {"error": "a token is needed"})
    assert reply.headers["www-authenticate"] == "Bearer"
    assert server.client.get(path, headers={"Authorization": "friend"}).status_code in (200, 404)


def test_health_is_what_the_service_knew_last(server: Server) -> None:
    assert server.client.get("/health").json() == {"state": "well"}


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"X-Forwarded-Prefix": "/dcs/run-3"}, "/dcs/run-3"),
        ({"X-Forwarded-Prefix": "/dcs/"}, "/dcs"),
        ({"X-Forwarded-Prefix": "/"}, ""),
        ({"X-Forwarded-Prefix": "dcs"}, 400),
        ({"X-Forwarded-Prefix": "//evil.example"}, 400),
        ({"X-Forwarded-Prefix": "/a/../b"}, 400),
        ({"X-Forwarded-Prefix": "/\\evil"}, 400),
        ({"X-Forwarded-Prefix": '/"><script>'}, 400),
        ({"X-Forwarded-Prefix": "/" + "x" * 300}, 400),
        ({"X-Forwarded-For": "nobody"}, 400),
        ({"X-Forwarded-Proto": "javascript"}, 400),
        ({"X-Forwarded-Host": "evil.example"}, 421),
    ],
)
def test_what_a_proxy_says(server: Server, headers: dict[str, str], expected: str | int) -> None:
    reply = server.client.get("/echo", headers=headers)
    if isinstance(expected, int):
        assert (reply.status_code, list(reply.json())) == (expected, ["error"])
    else:
        assert reply.json() == {"size": 0, "path": f"{expected}/echo", "root": expected}


def test_others_are_not_believed_what_a_proxy_says() -> None:
    with behind_edge(APPLICATION, settings=HttpEdge(proxies=("192.0.2.1",))) as server:
        reply = server.client.get("/echo", headers={"X-Forwarded-Prefix": "/dcs", "X-Forwarded-Host": "evil.example"})
        assert reply.json()["path"] == "/echo"


@pytest.mark.parametrize("path", ["/small/x", "/halves"])
def test_replies_on_a_kept_connection_do_not_wait_for_the_network(server: Server, path: str) -> None:
    times = []
    for _ in range(30):
        start = time.monotonic()
        server.client.get(path)
        times.append(time.monotonic() - start)
    assert sorted(times)[len(times) // 2] < 0.03, "Nagle's algorithm waits 40 ms for a delayed acknowledgement"


def until_pong(connection: socket.socket) -> bool:
    said = b""
    while not said.endswith(b"pong\n") and (part := connection.recv(1000)):
        said += part
    return said.endswith(b"pong\n")


def samples(server: Server, name: str) -> list[tuple[dict[str, str], float]]:
    text = server.client.get("/metrics").text
    return [
        (one.labels, one.value) for family in text_string_to_metric_families(text) for one in family.samples if one.name == name
    ]


def metric(server: Server, name: str, **labels: str) -> float:
    return sum(value for found, value in samples(server, name) if labels.items() <= found.items())


def wait_until(condition: Callable[[], bool], timeout: float = 30) -> None:
    end = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_a_request_whose_client_went_while_it_waited_is_no_work() -> None:
    """The first holds the only turn until the others have gone; the last, who waits longest, is served."""
    worked: list[str] = []
    release = threading.Event()

    async def work(request: Request) -> Response:
        worked.append(request.path_params["who"])
        await asyncio.to_thread(release.wait, 30)
        return PlainTextResponse("done\n")

    application = Starlette(routes=[Route("/{who}", work)])
    with behind_edge(application, limits=Limits(work=1, work_per_client=1)) as server:

        def ask(who: str) -> socket.socket:
            connection = server.connect()
            connection.sendall(f"GET /{who} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
            return connection

        first = ask("first")
        wait_until(lambda: worked == ["first"])
        others = [ask("other") for _ in range(20)]
        last = ask("last")
        wait_until(lambda: server.edge.slots.waiting == 21)
        for connection in others:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.close()  # by a reset: one that only says no more may still read
        wait_until(lambda: metric(server, "sipmdcs_http_connections_open") == 3)  # the one that asks for metrics is there
        release.set()
        for connection in (first, last):
            assert answer_of(connection).endswith(b"done\n")
            connection.close()
    assert worked == ["first", "last"]
