"""Requests that are too large are refused at once, and the next one is answered."""

import socket
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.web.conftest import WebSite
from web.attribute import Attribute
from web.columns import number, whole
from web.negotiation import negotiate
from web.query import Operator
from web.values import BadValue, read_value

MEGABYTE = 1_000_000


def raw(site: WebSite, *pieces: bytes) -> bytes:
    """What the server says to these bytes."""
    with socket.create_connection(("127.0.0.1", site.port), timeout=30) as connection:
        for piece in pieces:
            connection.sendall(piece)
        said = b""
        while b"\r\n\r\n" not in said:
            part = connection.recv(65536)
            if not part:
                break
            said += part
    return said


@pytest.mark.parametrize("base", ["/api/v1", "/jsonapi/v1"])
def test_a_query_of_10_MB(elsewhere: WebSite, base: str) -> None:
    start = time.monotonic()
    said = raw(
        elsewhere,
        f"GET {base}/runs?filter[comment][CT]=".encode() + b"x" * 10 * MEGABYTE + b" HTTP/1.1\r\nHost: here\r\n\r\n",
    )
    assert said.startswith(b"HTTP/1.1 414 ")
    assert time.monotonic() - start < 20
    assert elsewhere.http.get(f"{base}/runs").status_code == 200


def test_a_query_of_20_kB(elsewhere: WebSite) -> None:
    reply = elsewhere.http.get("/jsonapi/v1/runs", params={"filter[comment][CT]": "x" * 20_000})
    assert reply.status_code == 414
    assert reply.headers["content-type"] == "application/vnd.api+json"
    assert reply.json()["errors"][0]["status"] == "414"


def test_header_fields_of_10_MB(elsewhere: WebSite) -> None:
    fields = b"".join(b"X-%d: %s\r\n" % (number, b"y" * 10_000) for number in range(1000))
    said = raw(elsewhere, b"GET /api/v1/runs HTTP/1.1\r\nHost: here\r\n", fields + b"\r\n")
    assert said.startswith(b"HTTP/1.1 431 ")


def test_a_body_of_10_MB(elsewhere: WebSite) -> None:
    reply = elsewhere.http.request("GET", "/api/v1/runs", content=b"x" * 10 * MEGABYTE)
    assert reply.status_code == 413


def test_a_filter_of_a_thousand_parameters(elsewhere: WebSite) -> None:
    query = "&".join(f"filter[run_number][NEQ]={number}" for number in range(300))
    assert elsewhere.http.get(f"/api/v1/runs?{query}").status_code == 400


@pytest.mark.parametrize("garbage", [b"\x00\x01\x02\r\n\r\n", b"G" * 1000 + b"\r\n\r\n"])
def test_garbage_harms_nobody(elsewhere: WebSite, garbage: bytes) -> None:
    assert b" 400 " in raw(elsewhere, garbage).partition(b"\r\n")[0] + b" "
    assert elsewhere.http.get("/api/v1/version").status_code == 200


def test_many_at_once_are_answered_or_told_to_wait(elsewhere: WebSite) -> None:
    def ask(_: int) -> int:
        return httpx.get(f"{elsewhere.url}/api/v1/runs", timeout=60, trust_env=False).status_code

    with ThreadPoolExecutor(100) as pool:
        statuses = list(pool.map(ask, range(100)))
    assert set(statuses) <= {200, 429, 503}
    assert statuses.count(200) >= 64


@pytest.mark.parametrize("text", ['"\\' * 50_000, '\\"' * 50_000, '";' * 50_000])
def test_header_fields_are_read_in_one_pass_which_otherwise_takes_minutes(text: str) -> None:
    negotiate({"accept": text, "content-type": text})


@pytest.mark.parametrize("attribute", [whole("n", "", ""), number("x", "", "")], ids=["integer", "number"])
def test_numbers_are_read_in_one_pass_which_otherwise_takes_minutes(attribute: Attribute) -> None:
    for text in ("0" * 100_000 + "x", "1" * 100_000 + "x"):
        with pytest.raises(BadValue):
            read_value(attribute, Operator.GE, text)
    assert read_value(attribute, Operator.GE, "+" + "0" * 10_000 + "7") == 7
    assert read_value(attribute, Operator.GE, "-00") == 0
