"""Content negotiation of JSON:API 1.1: its media type takes only the parameters ``ext`` and ``profile``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from http import HTTPStatus

from web.errors import ApiError

MEDIA_TYPE = "application/vnd.api+json"
VARY = {"Vary": "Accept"}


def negotiate(headers: Mapping[str, str]) -> None:
    """See that a request can be answered.

    Raises:
        ApiError: 415 or 406, as the specification has it; we support no extension.
    """
    if any(name == MEDIA_TYPE and not _is_plain(parameters) for name, parameters in _types(headers.get("content-type", ""))):
        raise ApiError(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            f"{MEDIA_TYPE} takes no parameter but profile here",
            header="Content-Type",
        )
    ours = [parameters for name, parameters in _types(headers.get("accept", "")) if name == MEDIA_TYPE]
    if ours and not any(_is_plain(parameters) for parameters in ours):
        raise ApiError(
            HTTPStatus.NOT_ACCEPTABLE,
            f"every {MEDIA_TYPE} has a parameter other than profile, expected one without",
            header="Accept",
        )


def _is_plain(parameters: Mapping[str, str]) -> bool:
    return all(name == "profile" for name in parameters)


def _types(header: str) -> Iterator[tuple[str, dict[str, str]]]:
    """Media types of a header, each with its parameters; the weight ``q`` is none of them."""
    name = ""
    parameters: dict[str, str] = {}
    first = True
    for part, mark in _parts(header):
        text = part.strip()
        if first:
            name, first = text.lower(), False
        elif text:
            key, _, value = text.partition("=")
            if key.strip().lower() != "q":
                parameters[key.strip().lower()] = value.strip().strip('"')
        if mark != ";":
            if name:
                yield name, parameters
            name, parameters, first = "", {}, True


def _parts(header: str) -> Iterator[tuple[str, str]]:
    """Text up to each comma or semicolon outside of quotes, with it; in one pass, whatever is in it."""
    start, quoted, escaped = 0, False, False
    for at, char in enumerate(header):
        if escaped:
            escaped = False
        elif quoted and char == "\\":
            escaped = True
        elif char == '"':
            quoted = not quoted
        elif char in ",;" and not quoted:
            yield header[start:at], char
            start = at + 1
    yield header[start:], ""
