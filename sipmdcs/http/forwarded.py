"""What a reverse proxy says about the request it hands on. Only proxies that the site names are believed."""

from __future__ import annotations

import ipaddress
import re
from http import HTTPStatus

from starlette.datastructures import Headers
from starlette.types import Scope

from sipmdcs.http.errors import HttpError

_PREFIX = re.compile(r"(?:/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+", re.ASCII)
MAX_PREFIX = 200
"""Characters of ``X-Forwarded-Prefix``."""


def apply_forwarded(scope: Scope, proxies: frozenset[str]) -> None:
    """Let ``scope`` say what it would without the proxy: client, scheme, host, and the path at which the proxy serves us.

    ``X-Forwarded-For`` (its last address, the one that the proxy itself saw), ``-Proto``, ``-Host`` and ``-Prefix`` are read;
    from an address that is not among ``proxies`` all of them are ignored.

    Raises:
        HttpError: 400, a proxy sends a value that makes no sense.
    """
    peer = scope.get("client")
    if peer is None or peer[0] not in proxies:
        return
    headers = Headers(scope=scope)
    if forwarded := headers.get("x-forwarded-for", "").rpartition(",")[2].strip():
        scope["client"] = (_address(forwarded), 0)
    if scheme := headers.get("x-forwarded-proto", "").rpartition(",")[2].strip().lower():
        if scheme not in ("http", "https"):
            raise HttpError(HTTPStatus.BAD_REQUEST, f"X-Forwarded-Proto {scheme[:40]!r} is neither http nor https")
        scope["scheme"] = scheme
    if host := headers.get("x-forwarded-host", "").rpartition(",")[2].strip():
        others = [(name, value) for name, value in scope["headers"] if name != b"host"]
        scope["headers"] = [(b"host", host.encode("latin-1")), *others]
    if prefix := headers.get("x-forwarded-prefix", "").strip().rstrip("/"):
        if len(prefix) > MAX_PREFIX or not _PREFIX.fullmatch(prefix):
            raise HttpError(HTTPStatus.BAD_REQUEST, f"X-Forwarded-Prefix {prefix[:80]!r} is not a path such as /dcs")
        scope["root_path"] = prefix
        scope["path"] = prefix + scope["path"]
        scope["raw_path"] = prefix.encode() + scope["raw_path"]


def _address(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError as err:
        raise HttpError(HTTPStatus.BAD_REQUEST, f"X-Forwarded-For: {text[:80]!r} is not an address") from err
