"""Which names a service answers to, and from which pages it may be changed."""

import pytest

from sipmdcs.http.errors import HttpError
from sipmdcs.http.hosts import Hosts

HOSTS = Hosts(["DCS.example.org", "192.0.2.7"])


def status(host: str | None, method: str = "GET", version: str = "1.1", **headers: str) -> int:
    given = [] if host is None else [(b"host", host.encode())]
    given += [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "method": method, "headers": given, "http_version": version, "server": ("10.0.0.5", 8081)}
    try:
        HOSTS.check(scope)
    except HttpError as err:
        return err.status
    return 200


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1:8081", 200),
        ("127.0.0.1", 200),
        ("127.7.7.7:1", 200),
        ("localhost:8081", 200),
        ("LOCALHOST", 200),
        ("localhost.:8081", 200),
        ("page.localhost", 200),
        ("[::1]:8081", 200),
        ("10.0.0.5:8081", 200),
        ("dcs.example.org", 200),
        ("dcs.EXAMPLE.org.:443", 200),
        ("192.0.2.7", 200),
        ("evil.example", 421),
        ("evil.example:8081", 421),
        ("127.0.0.1.evil.example", 421),
        ("localhost.evil.example", 421),
        ("notlocalhost", 421),
        ("0.0.0.0:8081", 421),
        ("10.0.0.6:8081", 421),
        ("192.0.2.8", 421),
        ("2130706433", 421),
        ("127.1", 421),
        ("", 400),
        (":8081", 400),
        ("a b", 400),
        ("localhost:port", 400),
        ("localhost:999999", 400),
        ("evil.example@localhost", 400),
        ("localhost/evil", 400),
        ("::1", 400),
        ("[::1", 400),
        (None, 400),
    ],
)
def test_hosts(host: str | None, expected: int) -> None:
    assert status(host) == expected


def test_a_client_of_http_1_0_need_not_name_the_host() -> None:
    assert status(None, version="1.0") == 200
    assert status("evil.example", version="1.0") == 421


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, 200),
        ({"origin": "http://127.0.0.1:8081"}, 200),
        ({"origin": "http://127.0.0.1:8081", "sec_fetch_site": "same-origin"}, 200),
        ({"sec_fetch_site": "none"}, 200),
        ({"origin": "https://dcs.example.org"}, 200),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "http://127.0.0.1:3000"}, 403),
        ({"origin": "http://127.0.0.1"}, 403),
        ({"origin": "http://localhost:8081"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "file://"}, 403),
        ({"origin": "http://[::1"}, 403),
        ({"origin": "http://127.0.0.1:port"}, 403),
        ({"origin": ""}, 403),
        ({"sec_fetch_site": "cross-site"}, 403),
        ({"sec_fetch_site": "same-site"}, 403),
        ({"origin": "http://127.0.0.1:8081", "sec_fetch_site": "cross-site"}, 403),
    ],
)
@pytest.mark.parametrize("method", ["POST", "DELETE", "BREW"])
def test_pages_that_would_change_something(method: str, headers: dict[str, str], expected: int) -> None:
    assert status("127.0.0.1:8081", method, **headers) == expected
    assert status("127.0.0.1:8081", "GET", **headers) == 200
