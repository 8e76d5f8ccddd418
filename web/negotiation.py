"""Content negotiation of JSON:API 1.1: its media type takes only the parameters ``ext`` and ``profile``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from http import HTTPStatus

from web.errors import ApiError

MEDIA_TYPE = "application/vnd.api+json"
VARY = {"Vary": "Accept"}

_PART = re.compile(r'((?:[^,;"]|"(?:[^"\\]|\\.)*")*)([,;]?)')
"""Text up to the next comma or semicolon outside of quotes."""


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
    for match in _PART.finditer(header):
        text = match[1].strip()
        if first:
            name, first = text.lower(), False
        elif text:
            key, _, value = text.partition("=")
            if key.strip().lower() != "q":
                parameters[key.strip().lower()] = value.strip().strip('"')
        if match[2] != ";":
            if name:
                yield name, parameters
            name, parameters, first = "", {}, True
