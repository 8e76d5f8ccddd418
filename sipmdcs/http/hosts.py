"""Which names a service answers to, and which pages may change something through it.

A page of a stranger can give its own name the address 127.0.0.1 (DNS rebinding) and then counts as of the same origin as
our services; its requests still carry that name in ``Host``. A page can also send simple requests to any address without
being allowed to read the answer; those carry its ``Origin``. Both are checked here.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from http import HTTPStatus
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import Scope

from sipmdcs.http.errors import HttpError

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_OWN_SITES = frozenset({"same-origin", "none"})
_PORTS = {"http": 80, "https": 443}


class Hosts:
    """Names of a service: those of loopback, the address of the interface that was asked, and what the site names."""

    def __init__(self, named: Iterable[str] = ()) -> None:
        self._named = frozenset(name.lower().rstrip(".") for name in named)

    def check(self, scope: Scope) -> None:
        """Refuse a request for another host, and one that would change something and comes from another origin.

        Raises:
            HttpError: 400, 403 or 421.
        """
        headers = Headers(scope=scope)
        given = headers.getlist("host")
        if len(given) > 1:
            raise HttpError(HTTPStatus.BAD_REQUEST, "Host is given more than once")
        if not given and scope["http_version"] != "1.0":
            raise HttpError(HTTPStatus.BAD_REQUEST, "Host is missing")
        host, port = split_authority(given[0]) if given else ("localhost", None)
        if not self._is_ours(host, scope):
            text = f"this service is not {given[0][:80]!r}; if it is, name it in site.yaml: http.hosts"
            raise HttpError(HTTPStatus.MISDIRECTED_REQUEST, text)
        if scope["method"] not in _SAFE:
            self._check_origin(headers, host, port)

    def _is_ours(self, host: str, scope: Scope) -> bool:
        if host in self._named or host == "localhost" or host.endswith(".localhost"):
            return True
        server = scope.get("server")
        if server is not None and host == server[0]:
            return True
        try:
            return ipaddress.ip_address(host).is_loopback
        except ValueError:
            return False

    def _check_origin(self, headers: Headers, host: str, port: int | None) -> None:
        site = headers.get("sec-fetch-site", "none").strip().lower()
        origins = headers.getlist("origin")
        if site in _OWN_SITES and all(self._is_same(origin, host, port) for origin in origins):
            return
        whose = f"a page of {origins[0][:80]!r}" if origins else "a page of another site"
        raise HttpError(HTTPStatus.FORBIDDEN, f"{whose} must not change anything here")

    def _is_same(self, origin: str, host: str, port: int | None) -> bool:
        try:
            parts = urlsplit(origin)
            name, own_port = (parts.hostname or "").rstrip("."), parts.port or _PORTS.get(parts.scheme)
        except ValueError:
            return False
        if parts.scheme not in _PORTS:
            return False
        # Behind a proxy Host may be the name by which the proxy asks us; the names of the site are those of the proxy then.
        return name in self._named or (name == host and own_port == (port or _PORTS[parts.scheme]))


def split_authority(text: str) -> tuple[str, int | None]:
    """Host in lower case without a final dot, an IPv6 address without brackets, and the port.

    Raises:
        HttpError: 400, it is no ``HOST[:PORT]``.
    """
    host, colon, port = text.strip().rpartition(":")
    if not colon or port.endswith("]"):
        host, port = text.strip(), ""
    number = int(port) if port.isascii() and port.isdigit() and len(port) <= 5 else None
    bracketed = host.startswith("[") and host.endswith("]")
    name = host[1:-1] if bracketed else host
    if not name or (port and number is None) or (":" in name and not bracketed) or any(char in name for char in "/@\\ ?#[]"):
        raise HttpError(HTTPStatus.BAD_REQUEST, f"Host {text[:80]!r} is not HOST or HOST:PORT")
    return name.lower().rstrip("."), number
