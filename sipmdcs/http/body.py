"""The body of a request as JSON, read strictly.

``json.loads`` takes more than JSON (``NaN``), says different things of the same object (a key twice), and hands on what fails
later in another place (half a surrogate pair, a nesting that recursion cannot follow). All of that is the client's error here.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any, NoReturn, TypeVar

from pydantic import BaseModel, ValidationError
from starlette.requests import Request

from sipmdcs.errors import BadInput
from sipmdcs.http.errors import JSON_TYPE, HttpError
from sipmdcs.validation import bad_value

MAX_DEPTH = 32
"""Lists and objects in one another."""
MAX_DIGITS = 40
"""Digits of a whole number: more than any quantity has, fewer than cost time to convert."""

Body = TypeVar("Body", bound=BaseModel)


async def read_model(request: Request, schema: type[Body]) -> Body:
    """The body as an instance of ``schema``.

    Raises:
        BadInput: it is not JSON, or not what the schema expects.
        HttpError: 415, it is something else than JSON.
    """
    # Browsers send this type to another origin only if that allows it: together with the check of Origin, no page of a
    # stranger acts behind a user's back.
    if content_type(request) != JSON_TYPE:
        raise HttpError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"content type is not {JSON_TYPE}")
    content = parse_json(await request.body())
    try:
        return schema.model_validate(content)
    except ValidationError as err:
        raise bad_value(err) from err


def content_type(request: Request) -> str:
    """Media type of the body, lower case, without parameters; empty if it is not given.

    Raises:
        HttpError: 415, the body is compressed.
    """
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding != "identity":
        raise HttpError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"content encoding {encoding[:40]!r} is not accepted; send it plain")
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def parse_json(body: bytes) -> Any:
    """JSON in UTF-8 (RFC 8259), no deeper than ``MAX_DEPTH``, each key once, every number finite, every text Unicode.

    Raises:
        BadInput: it is not.
    """
    try:
        text = body.decode()
    except UnicodeDecodeError as err:
        raise BadInput(f"body is not JSON: byte {err.start} is not UTF-8") from err
    try:
        content = json.loads(
            text, parse_constant=_no_constant, parse_float=_finite, parse_int=_whole, object_pairs_hook=_unlike
        )
    except RecursionError as err:
        raise BadInput("body is nested too deeply") from err
    except ValueError as err:
        raise BadInput(f"body is not JSON: {err}") from err
    _check(content)
    return content


def _no_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is not JSON")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"the number {text[:40]} is too large")
    return number


def _whole(text: str) -> int:
    if len(text) > MAX_DIGITS:
        raise ValueError(f"a number has {len(text):,} digits, the limit is {MAX_DIGITS}")
    return int(text)


def _unlike(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))
        raise ValueError(f"key {twice[:40]!r} is there twice")
    return found


def _check(content: Any) -> None:
    """Depth and texts, without recursion."""
    left: list[tuple[Iterator[tuple[str, Any]], str]] = [(iter([("", content)]), "")]
    while left:
        items, place = left[-1]
        key, item = next(items, (None, None))
        if key is None:
            left.pop()
            continue
        where = place or key
        for text in (key, item):
            if isinstance(text, str) and not _is_unicode(text):
                raise BadInput(
                    "a text has half of a surrogate pair, which is not Unicode", key=where if _is_unicode(where) else None
                )
        if isinstance(item, dict | list):
            if len(left) > MAX_DEPTH:
                raise BadInput(f"body is nested too deeply: more than {MAX_DEPTH} levels")
            inner = item.items() if isinstance(item, dict) else (("", one) for one in item)
            left.append((iter(inner), where))


def _is_unicode(text: str) -> bool:
    return text.isascii() or not any("\ud800" <= char <= "\udfff" for char in text)
