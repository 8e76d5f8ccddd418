"""Which site a request is for and a reply comes from: two sites on one machine may use the same port.

Both sides send the identity of their site in a header. A request for another site is refused before it does anything; a client
that gets the reply of another site does not take it for its own. Who sends no header, such as ``curl``, is let in.
"""

from __future__ import annotations

from http import HTTPStatus
from urllib.parse import quote, unquote

from starlette.datastructures import Headers
from starlette.types import Message, Scope

from sipmdcs.http.errors import HttpError

HEADER = "X-Sipmdcs-Site"
_MAX_SHOWN = 120
"""Characters of an identity in a message."""


def encoded(identity: str) -> str:
    """An identity as the value of ``HEADER``."""
    return quote(identity, safe=" /@:")


def check_site(scope: Scope, identity: str) -> None:
    """Refuse a request that is for another site than ``identity``; empty takes all.

    Raises:
        HttpError: 421.
    """
    given = Headers(scope=scope).get(HEADER)
    if identity and given is not None and given != encoded(identity):
        asked = unquote(given[: 3 * _MAX_SHOWN])[:_MAX_SHOWN]
        text = f"this is a service of site {identity}, asked for was {asked!r}: two sites use one port"
        raise HttpError(HTTPStatus.MISDIRECTED_REQUEST, text)


def marked(message: Message, identity: str) -> Message:
    """The start of a reply, with the identity of the site that gives it; empty marks nothing."""
    if not identity:
        return message
    header = (HEADER.lower().encode(), encoded(identity).encode("latin-1"))
    return {**message, "headers": [*message.get("headers", ()), header]}
