"""The simulated PADME-NIM as a stranger's telnet and web client meet it, byte for byte."""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterator

import pytest

from iocs.simulators.background import Background, run_in_background
from iocs.simulators.padme_nim_server import serve_padme_nim
from iocs.simulators.server import Setup
from iocs.simulators.sipm import Sipm

PROMPT = b"APD1768> "
GREETING = b"\xff\xfb\x01\xff\xfb\x03Username: "


@pytest.fixture(scope="module")
def module() -> Iterator[Background]:
    with run_in_background(serve_padme_nim, Setup("HV13", {channel: Sipm(52.0) for channel in range(1, 17)})) as simulated:
        yield simulated


def connect(module: Background, port: str) -> socket.socket:
    host, _, number = module.endpoint()[port].partition(":")
    return socket.create_connection((host, int(number)), 30)


def until(sock: socket.socket, end: bytes) -> bytes:
    data = b""
    while not data.endswith(end):
        more = sock.recv(4096)
        assert more, data
        data += more
    return data


@pytest.mark.parametrize("end", [b"\r\n", b"\n", b"\r\0"])
def test_login_and_commands(module: Background, end: bytes) -> None:
    """Programs end a line with CR LF, netcat with LF, a telnet program in character mode with CR NUL."""
    with connect(module, "telnet") as line:
        assert until(line, b"Username: ") == GREETING
        line.sendall(b"user" + end)
        assert until(line, b"Password: ") == b"Password: "
        line.sendall(b"word" + end)
        assert until(line, PROMPT) == b"\r\nAPD1768> "
        line.sendall(b"SLEW")
        line.sendall(b"RATE 25" + end)
        assert until(line, PROMPT) == b"SLEWRATE 25\r\nINFO - slew rate 25 V/s\r\nAPD1768> "
        line.sendall(b"\xff\xfd\x01SLEWRATE 0" + end)
        assert until(line, PROMPT) == b"SLEWRATE 0\r\nERR - bad parameter of SLEWRATE\r\nAPD1768> "


def test_a_line_without_end_is_given_up(module: Background) -> None:
    with connect(module, "telnet") as line:
        until(line, b"Username: ")
        line.sendall(b"x" * 2000)
        assert line.recv(1) == b""


@pytest.mark.parametrize("nonsense", [b"\r\n\r\n", b"GET\r\n\r\n", b"\xff\xfe\0garbage\r\n\r\n", b"x" * 200_000])
def test_nonsense_on_the_web_port(module: Background, nonsense: bytes, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING), connect(module, "http") as line:
        try:
            line.sendall(nonsense)
            assert line.recv(100) == b""
        except ConnectionError:
            pass
    assert caplog.records == []
    with connect(module, "http") as line:
        line.sendall(b"GET /brdcfg.cgx HTTP/1.1\r\nHost: x\r\n\r\n")
        assert until(line, b"}").startswith(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n")


def test_a_page_that_is_not_there(module: Background) -> None:
    with connect(module, "http") as line:
        line.sendall(b"GET /none HTTP/1.1\r\n\r\n")
        assert until(line, b"\r\n\r\n") == b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
