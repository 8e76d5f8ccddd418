"""Our client of our services, asked against a real server that answers as told."""

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from sipmdcs.errors import BadInput, DcsError, ServiceError
from sipmdcs.http.client import JsonClient, NotRunning
from sipmdcs.site import HttpService


class Server(HTTPServer):
    status: int = 200
    content: bytes = b"{}"
    asked: list[tuple[str, str, bytes]]


class Handler(BaseHTTPRequestHandler):
    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        server = self.server
        assert isinstance(server, Server)
        server.asked.append((self.command, self.path, body))
        self.send_response(server.status)
        self.send_header("Content-Length", str(len(server.content)))
        self.end_headers()
        self.wfile.write(server.content)

    do_GET = do_POST = _answer

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - name of the library
        """Silent."""


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(("127.0.0.1", 0), Handler) as found:
        found.asked = []
        thread = threading.Thread(target=found.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield found
        found.shutdown()
        thread.join()


def client(port: int, errors: dict[int, type[DcsError]] | None = None, interface: str = "127.0.0.1") -> JsonClient:
    return JsonClient(HttpService(interface=interface, port=port), "the bench", 30.0, errors)


def test_questions_as_they_are_sent(server: Server) -> None:
    server.content = b'{"answer": 42}'
    asks = client(server.server_port, interface="0.0.0.0")
    assert asks.get("/a b", {"pv": ["X:1", "X:2"], "text": "ü&", "left": ""}) == {"answer": 42}
    assert asks.get("/health") == {"answer": 42}
    assert asks.post("/runs", {"who": "daq"}) == {"answer": 42}
    for question in (("/\udcff", {}), ("/a", {"pv": "\udcff"})):
        with pytest.raises(BadInput, match="has bytes that are not UTF-8"):
            asks.get(*question)
    assert server.asked == [
        ("GET", "/a%20b?pv=X%3A1&pv=X%3A2&text=%C3%BC%26", b""),
        ("GET", "/health", b""),
        ("POST", "/runs", json.dumps({"who": "daq"}).encode()),
    ]


class Gone(ServiceError):
    """An error of its own."""


@pytest.mark.parametrize(("status", "error"), [(400, BadInput), (404, Gone), (499, BadInput), (500, ServiceError)])
def test_refusals_are_errors_of_their_status(server: Server, status: int, error: type[DcsError]) -> None:
    server.status, server.content = status, b'{"error": "no such run"}'
    with pytest.raises(error, match=r"^no such run$") as caught:
        client(server.server_port, {404: Gone}).get("/runs/1")
    assert type(caught.value) is error


@pytest.mark.parametrize(("status", "content"), [(200, b"<html>"), (404, b"[]"), (400, b"{}"), (500, b'"x"'), (200, b"\xff")])
def test_somebody_else_who_answers(server: Server, status: int, content: bytes) -> None:
    server.status, server.content = status, content
    with pytest.raises(ServiceError, match=rf"what answers at http://127\.0\.0\.1:{server.server_port} is not the bench"):
        client(server.server_port).get("/health")


def test_nobody_there(free_ports: Callable[[int], list[int]]) -> None:
    (port,) = free_ports(1)
    with pytest.raises(NotRunning, match=f"the bench does not answer at http://127.0.0.1:{port}: Connection refused"):
        client(port).post("/runs", {})
